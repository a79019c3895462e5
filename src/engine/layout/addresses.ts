/** Hands out addresses from low to high. */

/** `n` rounded up to a multiple of `to`. */
export const align = (n: number, to: number): number => Math.ceil(n / to) * to;

export class Addresses {
  /** The first address that nothing lies at or above. */
  top: number;

  constructor(first: number) {
    this.top = first;
  }

  /** The address of so many bytes, a multiple of `to`. */
  take(bytes: number, to = 64): number {
    const address = align(this.top, to);
    this.top = address + bytes;
    return address;
  }
}
