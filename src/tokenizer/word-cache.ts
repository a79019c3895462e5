/**
 * The tokens of words seen before. Natural text repeats its words, so most merges happen once. Bounded: when full
 * it starts anew, which is cheaper than tracking use and does as well.
 */
const MAX_WORDS = 1 << 15;
const MAX_WORD_LENGTH = 48;

export class WordCache {
  readonly #words = new Map<string, number | readonly number[]>();

  /** Appends the tokens of a known word to `out`, or returns false. */
  append(word: string, out: number[]): boolean {
    if (word.length > MAX_WORD_LENGTH) return false;
    const known = this.#words.get(word);
    if (known === undefined) return false;
    if (typeof known === 'number') out.push(known);
    else for (const id of known) out.push(id);
    return true;
  }

  /** Remembers that `word` became what stands in `out` from index `from` on. */
  store(word: string, out: readonly number[], from: number): void {
    if (word.length > MAX_WORD_LENGTH) return;
    if (this.#words.size >= MAX_WORDS) this.#words.clear();
    // Joining copies the characters: a slice would keep the whole text alive for as long as the word is cached.
    this.#words.set(copy(word), out.length === from + 1 ? out[from]! : out.slice(from));
  }
}

function copy(word: string): string {
  return word.length < 13 ? word : word.split('').join('');
}
