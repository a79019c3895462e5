// @ts-check
/**
 * Random weights, block by block: the quants are random bits, the scales are chosen. Random scale bits would
 * be NaN, infinite or subnormal now and then, and a single subnormal makes a kernel take several times as long:
 * every scale here is a normal number, and the weights come out with about the deviation asked for.
 *
 * Speed of a kernel does not depend on values, so a piece of about 1 MB is made per tensor type and row length
 * and repeated. Its number of blocks is a prime: rows of a matrix start at ever different places in it, and no
 * two rows nearby are alike.
 */

/** Smallest scale in use; the smallest normal f16 is 2^-14 = 6.104e-5. */
const LEAST_SCALE = 6.2e-5;

/**
 * How to finish a block of random bytes, as `[offset of the scale, deviation of the quants, offset of the
 * minimum, minimum / scale]`; `tidy` keeps quants to what a real quantizer writes.
 *
 * @typedef {object} ScaleRule
 * @property {number} scale byte offset of the f16 scale
 * @property {number} deviation standard deviation of weight / scale when all other bits are random
 * @property {number} [minimum] byte offset of the f16 minimum
 * @property {number} [ratio] minimum / scale that centres the weights on zero
 * @property {(block: Uint8Array) => void} [tidy]
 */

/** @type {ReadonlyMap<string, ScaleRule>} */
const SCALED = new Map([
  ['Q4_0', { scale: 0, deviation: 4.6 }],
  ['Q4_1', { scale: 0, deviation: 4.6, minimum: 2, ratio: -7.5 }],
  ['Q5_0', { scale: 0, deviation: 9.2 }],
  ['Q5_1', { scale: 0, deviation: 9.2, minimum: 2, ratio: -15.5 }],
  // Quantizers write -127 .. 127, and llama.cpp's kernels count on it.
  ['Q8_0', { scale: 0, deviation: 73.6, tidy: withoutMinus128(2) }],
  ['Q2_K', { scale: 80, deviation: 13.9, minimum: 82, ratio: 1.5 }],
  ['Q3_K', { scale: 108, deviation: 43.4 }],
  ['Q4_K', { scale: 0, deviation: 258, minimum: 2, ratio: 7.5 }],
  ['Q5_K', { scale: 0, deviation: 527, minimum: 2, ratio: 15.5 }],
  // Full-range 8-bit scales would ask for a subnormal f16: five bits of each are used.
  ['Q6_K', { scale: 208, deviation: 171, tidy: narrowScales(192, 16) }],
  ['IQ4_NL', { scale: 0, deviation: 69 }],
  // Two bits of each block's scale, 0..3: all six would ask for a subnormal f16.
  ['IQ4_XS', { scale: 0, deviation: 129, tidy: smallScales }],
]);

/** @param {number} from */
function withoutMinus128(from) {
  /** @param {Uint8Array} block */
  return (block) => {
    for (let i = from; i < block.length; i++) if (block[i] === 0x80) block[i] = 0x81;
  };
}

/** @param {Uint8Array} block */
function smallScales(block) {
  block.fill(0xaa, 2, 4);
  const low = block.subarray(4, 8);
  low.set(low.map((byte) => byte & 0x33));
}

/** @param {number} from @param {number} count */
function narrowScales(from, count) {
  /** @param {Uint8Array} block */
  return (block) => {
    const scales = block.subarray(from, from + count);
    scales.set(scales.map((byte) => (byte & 31) - 16));
  };
}

/**
 * Fills one block, whose bytes are random already, with a valid scale. `unit` is random in 0 .. 1.
 *
 * @typedef {(block: Uint8Array, view: DataView, offset: number, deviation: number, unit: number) => void} Finish
 */

/** @type {ReadonlyMap<string, Finish>} */
const FINISH = new Map([
  .../** @type {[string, Finish][]} */ ([...SCALED].map(([name, rule]) => [name, scaled(rule)])),
  ['F32', (_, view, offset, deviation, unit) => view.setFloat32(offset, uniform(deviation, unit), true)],
  ['F16', (_, view, offset, deviation, unit) => view.setUint16(offset, f16(uniform(deviation, unit)), true)],
  [
    'BF16',
    (_, view, offset, deviation, unit) => view.setUint16(offset, bf16(uniform(deviation, unit)), true),
  ],
  // Plain numbers: their scales are tensors of their own.
  ['I8', () => undefined],
  // One power of two per block: 2^(e - 128), and quants (doubled) of deviation 5.9.
  [
    'MXFP4',
    (_, view, offset, deviation) => view.setUint8(offset, 128 + Math.round(Math.log2(deviation / 5.9))),
  ],
]);

/** @param {ScaleRule} rule @returns {Finish} */
function scaled({ scale, deviation: quants, minimum, ratio, tidy }) {
  return (block, view, offset, deviation, unit) => {
    tidy?.(block);
    const value = Math.max(LEAST_SCALE, (deviation / quants) * (0.75 + unit / 2));
    view.setUint16(offset + scale, f16(value), true);
    if (minimum !== undefined) view.setUint16(offset + minimum, f16(value * (ratio ?? 0)), true);
  };
}

/** Types that can be made. */
export const RANDOM_TYPES = [...FINISH.keys()];

const PRIMES = [524_287, 131_071, 65_521, 16_381, 8_191, 4_093];
const PIECE_BYTES = 1_300_000;

/**
 * A piece of random blocks, and `take` to get any number of bytes of it, repeated.
 *
 * @param {{ name: string, bytesPerBlock: number }} type
 * @param {number} deviation of the weights
 * @param {() => number} random 32 random bits
 */
export function randomBlocks(type, deviation, random) {
  const finish = FINISH.get(type.name);
  if (!finish) throw new RangeError(`no random ${type.name}: one of ${RANDOM_TYPES.join(', ')}`);
  const size = type.bytesPerBlock;
  const count = PRIMES.find((prime) => prime * size <= PIECE_BYTES) ?? 4_093;
  const words = new Uint32Array(Math.ceil((count * size) / 4));
  for (let i = 0; i < words.length; i++) words[i] = random();
  const bytes = new Uint8Array(words.buffer, 0, count * size);
  const view = new DataView(words.buffer);
  for (let offset = 0; offset < bytes.length; offset += size) {
    finish(bytes.subarray(offset, offset + size), view, offset, deviation, random() / 2 ** 32);
  }
  let at = 0;
  return {
    bytes,
    /** The next `total` bytes, a whole number of blocks. @param {number} total */
    *take(total) {
      for (let left = total; left > 0;) {
        const part = bytes.subarray(at, Math.min(bytes.length, at + left));
        left -= part.length;
        at = (at + part.length) % bytes.length;
        yield part;
      }
    },
  };
}

/** mulberry32: 32 random bits per call, the same for the same seed. @param {number} seed */
export function randomBits(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Evenly distributed, never close enough to zero to be subnormal. @param {number} deviation @param {number} unit */
function uniform(deviation, unit) {
  const value = (unit * 2 - 1) * deviation * Math.sqrt(3);
  return Math.abs(value) < LEAST_SCALE ? LEAST_SCALE : value;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest f16 of a number that is normal in f16. @param {number} value */
export function f16(value) {
  float[0] = value;
  const [word = 0] = bits;
  const sign = (word >>> 16) & 0x8000;
  // Exponent from bias 127 to 15; adding half of the last kept bit may carry into the exponent, rightly.
  return sign | (((word & 0x7fff_ffff) - (112 << 23) + 0x1000) >>> 13);
}

/** @param {number} value */
function bf16(value) {
  float[0] = value;
  const [word = 0] = bits;
  return (word + 0x8000) >>> 16;
}
