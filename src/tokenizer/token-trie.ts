import { PairTable } from './pair-table.ts';

/**
 * A trie of token texts, by UTF-16 code unit, for finding all tokens that start at a place in a text. Nodes are
 * numbers and edges lie in one hash table, so a vocabulary of 250,000 tokens is tens of megabytes, not hundreds of
 * thousands of objects.
 */
export class TokenTrie {
  readonly #edges: PairTable;
  readonly #tokens: Int32Array;
  #size = 1;

  /** @param length of all texts together, in code units */
  constructor(length: number) {
    this.#edges = new PairTable(length);
    this.#tokens = new Int32Array(length + 1).fill(-1);
  }

  add(text: string, id: number): void {
    let node = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let child = this.#edges.get(node, unit);
      if (child < 0) this.#edges.add(node, unit, (child = this.#size++));
      node = child;
    }
    this.#tokens[node] = id;
  }

  /** Calls `found` with each token that starts at `start` and where it ends, the shortest first. */
  matches(text: string, start: number, found: (id: number, end: number) => void): void {
    let node = 0;
    for (let i = start; i < text.length; i++) {
      node = this.#edges.get(node, text.charCodeAt(i));
      if (node < 0) return;
      const id = this.#tokens[node]!;
      if (id >= 0) found(id, i + 1);
    }
  }
}
