/**
 * Bytes of one tensor type to f32 and from f32 to another. F16, BF16 and Q8_0 round as ggml's reference does. A value
 * that the wanted type cannot hold stops the conversion: a silent infinity would be found much later, as nonsense.
 */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import { tensorType } from '../../src/gguf/tensor-types.ts';
import { bf16ToF32, f16Bits, f16ToF32, f32ToBf16, f32ToF16 } from './numbers.ts';
import { BF16, F16, F32, I8, Q4_1, Q8_0 } from './rows.ts';

const F64 = 28;

const DECODERS: ReadonlyMap<number, (bytes: Uint8Array) => Float32Array> = new Map([
  [F32, (bytes) => new Float32Array(aligned(bytes, 4))],
  [F16, (bytes) => f16ToF32(new Uint16Array(aligned(bytes, 2)))],
  [BF16, (bytes) => bf16ToF32(new Uint16Array(aligned(bytes, 2)))],
  [I8, (bytes) => Float32Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length))],
  [F64, (bytes) => Float32Array.from(new Float64Array(aligned(bytes, 8)))],
  [Q4_1, decodeQ41],
]);

const ENCODERS: ReadonlyMap<number, (values: Float32Array) => Uint8Array> = new Map([
  [F32, (values) => bytesOf(values)],
  [F16, (values) => bytesOf(f32ToF16(values))],
  [BF16, (values) => bytesOf(f32ToBf16(values))],
  [Q8_0, encodeQ80],
]);

/** Values of `type` as f32. */
export function decode(type: number, bytes: Uint8Array): Float32Array {
  const decoder = DECODERS.get(type);
  if (!decoder) throw new CheckpointError(`${tensorType(type).name} cannot be converted to f32`);
  return decoder(bytes);
}

/** Whole rows from one type to another; `name` is the tensor's, for the error. */
export function recode(bytes: Uint8Array, from: number, to: number, name: string): Uint8Array {
  if (from === to) return bytes;
  const encoder = ENCODERS.get(to);
  if (!encoder) throw new CheckpointError(`${tensorType(to).name} is not a type that convert writes`);
  const values = decode(from, bytes);
  checkValues(values, to, name);
  return encoder(values);
}

/** The largest f16, and what rounds to it. */
const F16_LIMIT = 65520;

function checkValues(values: Float32Array, to: number, name: string): void {
  const limit = to === F16 || to === Q8_0 ? F16_LIMIT : Infinity;
  const most = to === Q8_0 ? limit * 127 : limit;
  for (const value of values) {
    if (Math.abs(value) < most) continue;
    const where = `tensor ${quote(name)} holds ${value}`;
    if (!Number.isFinite(value)) throw new CheckpointError(`${where}: the checkpoint is damaged`);
    throw new CheckpointError(`${where}, more than f16 can hold: use --outtype bf16 or f32`);
  }
}

/**
 * Q8_0: blocks of 32 values as one f16 scale and 32 signed bytes.
 *
 *     | d f16 | q0 q1 ... q31 |      w = d * q, d = max |w| / 127
 */
function encodeQ80(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const bytes = new Uint8Array(blocks * 34);
  const view = new DataView(bytes.buffer);
  const bits = new Uint32Array(1);
  const scale = new Float32Array(bits.buffer);
  for (let b = 0; b < blocks; b++) {
    let most = 0;
    for (let i = 0; i < 32; i++) most = Math.max(most, Math.abs(values[b * 32 + i]!));
    scale[0] = most / 127;
    const inverse = scale[0] === 0 ? 0 : Math.fround(1 / scale[0]!);
    view.setUint16(b * 34, f16Bits(bits[0]!), true);
    for (let i = 0; i < 32; i++) {
      const scaled = Math.fround(values[b * 32 + i]! * inverse);
      // Halves go away from zero, as C's roundf has them.
      view.setInt8(b * 34 + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
    }
  }
  return bytes;
}

/**
 * Q4_1: blocks of 32 values as an f16 scale, an f16 minimum and 16 bytes; the low nibble of byte i is value i, the
 * high one value i + 16.
 *
 *     | d f16 | m f16 | q0|q16 ... q15|q31 |      w = d * q + m
 */
function decodeQ41(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / 20;
  const heads = new Uint16Array(blocks * 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let b = 0; b < blocks; b++) {
    heads[2 * b] = view.getUint16(b * 20, true);
    heads[2 * b + 1] = view.getUint16(b * 20 + 2, true);
  }
  const pairs = f16ToF32(heads);
  const values = new Float32Array(blocks * 32);
  for (let b = 0; b < blocks; b++) {
    for (let i = 0; i < 16; i++) {
      const byte = bytes[b * 20 + 4 + i]!;
      values[b * 32 + i] = pairs[2 * b]! * (byte & 15) + pairs[2 * b + 1]!;
      values[b * 32 + 16 + i] = pairs[2 * b]! * (byte >> 4) + pairs[2 * b + 1]!;
    }
  }
  return values;
}

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** The bytes in a buffer of their own where a typed array could not begin at their offset. */
function aligned(bytes: Uint8Array, size: number): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  if (bytes.length % size !== 0)
    throw new CheckpointError(`${bytes.length} bytes are no whole values of ${size}`);
  return (whole ? bytes.buffer : bytes.slice().buffer) as ArrayBuffer;
}
