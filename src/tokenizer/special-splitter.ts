import { encodeUtf8 } from './utf8.ts';
import { STRIP_LEFT, STRIP_RIGHT } from './vocabulary.ts';

/** A token to look for in text. */
export interface SpecialToken {
  id: number;
  text: string;
  types: number;
}

interface Node {
  readonly children: Map<number, Node>;
  /** Rank of the token that ends here, or -1. */
  rank: number;
}

/** Characters that C's isspace accepts. */
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);

/**
 * Cuts a text at its special tokens. As in llama.cpp, a longer token is found before a shorter one wherever both
 * occur, not the leftmost first; for one token, the leftmost. A trie finds where tokens start in one pass, so a
 * vocabulary with thousands of special tokens costs no more than one with two.
 */
export class SpecialSplitter {
  /** By rank: the longest first. */
  readonly #tokens: readonly SpecialToken[];
  readonly #root: Node = { children: new Map(), rank: -1 };

  constructor(tokens: readonly SpecialToken[]) {
    this.#tokens = tokens
      .map((token) => ({ token, length: encodeUtf8(token.text).length }))
      .sort((a, b) => b.length - a.length || a.token.id - b.token.id)
      .map(({ token }) => token);
    this.#tokens.forEach(({ text }, rank) => {
      let node = this.#root;
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        let child = node.children.get(unit);
        if (child === undefined) node.children.set(unit, (child = { children: new Map(), rank: -1 }));
        node = child;
      }
      node.rank = rank;
    });
  }

  /** The parts of `text` in order: strings between special tokens, and token ids. */
  split(text: string): (string | number)[] {
    if (text === '') return [];
    const startsByRank = this.#findStarts(text);
    if (startsByRank.length === 0) return [text];

    /** 1: part of a token, or white space that a token swallowed. */
    const taken = new Uint8Array(text.length);
    const chosen: Chosen[] = [];
    for (let rank = 0; rank < startsByRank.length; rank++) {
      const { text: name, id, types } = this.#tokens[rank]!;
      for (const start of startsByRank[rank]?.sort((a, b) => a - b) ?? []) {
        const end = start + name.length;
        // Tokens taken before are at least as long, so an overlap shows at one of the two ends.
        if (taken[start]) continue;
        if (taken[end - 1]) {
          const shorter = this.#longestAt(text, start, rank);
          if (shorter >= 0) (startsByRank[shorter] ??= []).push(start);
          continue;
        }
        taken.fill(1, start, end);
        chosen.push({ start, end, id });
        if (types & STRIP_LEFT) takeSpaces(text, taken, start - 1, -1);
        if (types & STRIP_RIGHT) takeSpaces(text, taken, end, 1);
      }
    }
    return assemble(text, taken, chosen);
  }

  /** For each rank, where that token stands and no longer one does. Empty if there is none at all. */
  #findStarts(text: string): number[][] {
    const starts: number[][] = [];
    const first = this.#root.children;
    if (first.size === 0) return starts;
    for (let start = 0; start < text.length; start++) {
      if (!first.has(text.charCodeAt(start))) continue;
      const rank = this.#longestAt(text, start, -1);
      if (rank >= 0) (starts[rank] ??= []).push(start);
    }
    return starts;
  }

  /** The rank of the longest token at `start` that ranks after `above`, or -1. */
  #longestAt(text: string, start: number, above: number): number {
    let best = -1;
    let node: Node | undefined = this.#root;
    for (let i = start; node !== undefined; i++) {
      if (node.rank > above) best = node.rank;
      node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined;
    }
    return best;
  }
}

interface Chosen {
  start: number;
  end: number;
  id: number;
}

function takeSpaces(text: string, taken: Uint8Array, from: number, step: 1 | -1): void {
  for (let i = from; i >= 0 && i < text.length; i += step) {
    if (taken[i] || !SPACES.has(text.charCodeAt(i))) return;
    taken[i] = 1;
  }
}

/** What is left between tokens, without the white space that they swallowed. */
function assemble(text: string, taken: Uint8Array, chosen: Chosen[]): (string | number)[] {
  const parts: (string | number)[] = [];
  let at = 0;
  const addText = (to: number) => {
    let from = at;
    let end = to;
    while (from < end && taken[from]) from++;
    while (end > from && taken[end - 1]) end--;
    if (from < end) parts.push(text.slice(from, end));
  };
  for (const { start, end, id } of chosen.sort((a, b) => a.start - b.start)) {
    addText(start);
    parts.push(id);
    at = end;
  }
  addText(text.length);
  return parts;
}
