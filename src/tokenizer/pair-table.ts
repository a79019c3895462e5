/**
 * (left id, right id) -> merge number, for hundreds of thousands of pairs: open addressing in typed arrays, since
 * a Map needs one boxed key per pair and several times the memory. The hash is seeded per table, so that no file
 * can be made to collide.
 */
export class PairTable {
  readonly #mask: number;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #value: Int32Array;
  readonly #seedLeft = randomOdd();
  readonly #seedRight = randomOdd();

  constructor(capacity: number) {
    let size = 16;
    while (size < 2 * capacity) size *= 2;
    this.#mask = size - 1;
    this.#left = new Int32Array(size);
    this.#right = new Int32Array(size);
    this.#value = new Int32Array(size).fill(-1);
  }

  /** Keeps the first value of a pair. */
  add(left: number, right: number, value: number): void {
    const slot = this.#slot(left, right);
    if (this.#value[slot] !== -1) return;
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#value[slot] = value;
  }

  /** The value of a pair, or -1. */
  get(left: number, right: number): number {
    return this.#value[this.#slot(left, right)]!;
  }

  #slot(left: number, right: number): number {
    const mixed = Math.imul(left, this.#seedLeft) + Math.imul(right, this.#seedRight);
    // The multiplications carry upwards only: bring the high bits down.
    let slot = (mixed ^ (mixed >>> 15) ^ (mixed >>> 24)) & this.#mask;
    while (this.#value[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}

function randomOdd(): number {
  return Math.floor(Math.random() * 0x100000000) | 1;
}
