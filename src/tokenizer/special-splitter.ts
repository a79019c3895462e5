import { STRIP_LEFT, STRIP_RIGHT } from './vocabulary.ts';

/** A token to look for in text. */
export interface SpecialToken {
  id: number;
  text: string;
  types: number;
}

interface Node {
  readonly children: Map<number, Node>;
  /** Index into the tokens, or -1. */
  token: number;
}

/** Bytes that C's isspace accepts. */
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);

/**
 * Cuts a text at its special tokens. As in llama.cpp, a longer token is found before a shorter one wherever both
 * occur, not the leftmost first; for one token, the leftmost. A trie finds all occurrences in one pass, so a
 * vocabulary with thousands of special tokens costs no more than one with two.
 */
export class SpecialSplitter {
  readonly #tokens: readonly SpecialToken[];
  readonly #root: Node = { children: new Map(), token: -1 };

  constructor(tokens: readonly SpecialToken[]) {
    this.#tokens = [...tokens].sort((a, b) => byteLength(b.text) - byteLength(a.text) || a.id - b.id);
    this.#tokens.forEach(({ text }, index) => {
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        let child = node.children.get(unit);
        if (child === undefined) node.children.set(unit, (child = { children: new Map(), token: -1 }));
        node = child;
      }
      node.token = index;
    });
  }

  /** The parts of `text` in order: strings between special tokens, and token ids. */
  split(text: string): (string | number)[] {
    if (text === '') return [];
    const found = this.#occurrences(text);
    if (found.length === 0) return [text];
    found.sort((a, b) => a.token - b.token || a.start - b.start);

    // 1: part of a token, or white space that a token swallowed.
    const taken = new Uint8Array(text.length);
    const chosen: { start: number; end: number; id: number }[] = [];
    for (const { token, start } of found) {
      const { text: name, id, types } = this.#tokens[token]!;
      const end = start + name.length;
      // Tokens taken before are at least as long, so an overlap shows at one of the two ends.
      if (taken[start] || taken[end - 1]) continue;
      taken.fill(1, start, end);
      chosen.push({ start, end, id });
      if (types & STRIP_LEFT) {
        for (let i = start - 1; i >= 0 && !taken[i] && SPACES.has(text.charCodeAt(i)); i--) taken[i] = 1;
      }
      if (types & STRIP_RIGHT) {
        for (let i = end; i < text.length && !taken[i] && SPACES.has(text.charCodeAt(i)); i++) taken[i] = 1;
      }
    }
    chosen.sort((a, b) => a.start - b.start);
    return assemble(text, taken, chosen);
  }

  #occurrences(text: string): { token: number; start: number }[] {
    const found: { token: number; start: number }[] = [];
    const first = this.#root.children;
    if (first.size === 0) return found;
    for (let start = 0; start < text.length; start++) {
      let node = first.get(text.charCodeAt(start));
      for (let i = start + 1; node !== undefined; i++) {
        if (node.token >= 0) found.push({ token: node.token, start });
        node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined;
      }
    }
    return found;
  }
}

function assemble(
  text: string,
  taken: Uint8Array,
  chosen: readonly { start: number; end: number; id: number }[],
): (string | number)[] {
  const parts: (string | number)[] = [];
  let at = 0;
  const addText = (to: number) => {
    let from = at;
    let end = to;
    while (from < end && taken[from]) from++;
    while (end > from && taken[end - 1]) end--;
    if (from < end) parts.push(text.slice(from, end));
  };
  for (const { start, end, id } of chosen) {
    addText(start);
    parts.push(id);
    at = end;
  }
  addText(text.length);
  return parts;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
