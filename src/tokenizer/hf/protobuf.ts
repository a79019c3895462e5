/**
 * Protocol buffers' wire format, as much of it as SentencePiece's files need. A message is a list of fields, each a
 * tag (field number * 8 + wire type) and a value:
 *
 *     0: varint    1: 8 bytes    2: varint length, then so many bytes    5: 4 bytes
 *
 * A file comes from outside: each length is checked against what is left before anything is read.
 */
import { TokenizerError } from '../../errors.ts';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export interface Field {
  number: number;
  /** Varints below 2^53 (larger ones are rounded), or the four bytes of a fixed32 as an unsigned integer. */
  value: number;
  /** The contents of a length-delimited field, else empty. Shares memory with the file. */
  bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** The fields of a message in file order. Throws TokenizerError, which names `file`, where it is cut or damaged. */
export function* readFields(message: Uint8Array, file: string): Generator<Field, void> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw damaged(file, 'it ends within a number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw damaged(file, 'a number takes more than ten bytes');
  };
  const skip = (length: number): number => {
    if (length > message.length - at) throw damaged(file, `a field of ${length} bytes does not fit`);
    const start = at;
    at += length;
    return start;
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === VARINT) {
      yield { number, value: varint(), bytes: NO_BYTES };
    } else if (wireType === FIXED32) {
      yield { number, value: view.getUint32(skip(4), true), bytes: NO_BYTES };
    } else if (wireType === BYTES) {
      const length = varint();
      const start = skip(length);
      yield { number, value: 0, bytes: message.subarray(start, start + length) };
    } else if (wireType === FIXED64) {
      skip(8);
    } else {
      throw damaged(file, `wire type ${wireType} does not exist`);
    }
  }
}

/** The float whose four bytes a fixed32 field holds. */
export function asFloat(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getFloat32(0);
}

function damaged(file: string, why: string): TokenizerError {
  return new TokenizerError(`${file} is not a SentencePiece model, or damaged: ${why}`);
}
