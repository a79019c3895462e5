/** Encodes little-endian numbers, strings and metadata values through a small buffer into a sink. */
import { Pause } from './pause.ts';
import type { ByteSink } from './sinks.ts';
import { elementIdOf, typeIdOf, type Encodable } from './writable.ts';

const BUFFER = 64 * 1024;
/** Longer pieces go to the sink directly instead of through the buffer. */
const DIRECT = 16 * 1024;

export class Encoder {
  /** Bytes given to the encoder so far. */
  position = 0;
  private readonly sink: Pick<ByteSink, 'write'>;
  private readonly buffer = new Uint8Array(BUFFER);
  private readonly view = new DataView(this.buffer.buffer);
  private readonly utf8 = new TextEncoder();
  private readonly pause = new Pause();
  private used = 0;

  constructor(sink: Pick<ByteSink, 'write'>) {
    this.sink = sink;
  }

  /** Writes out what is buffered. */
  async flush(): Promise<void> {
    if (this.used > 0) await this.sink.write(this.buffer.subarray(0, this.used));
    this.used = 0;
  }

  async u32(value: number): Promise<void> {
    if (BUFFER - this.used < 4) await this.flush();
    this.view.setUint32(this.used, value, true);
    this.advance(4);
  }

  async u64(value: number | bigint): Promise<void> {
    if (BUFFER - this.used < 8) await this.flush();
    this.view.setBigUint64(this.used, BigInt(value), true);
    this.advance(8);
  }

  async bytes(bytes: Uint8Array): Promise<void> {
    if (bytes.length >= DIRECT) {
      await this.flush();
      await this.sink.write(bytes);
      this.position += bytes.length;
      return;
    }
    if (BUFFER - this.used < bytes.length) await this.flush();
    this.buffer.set(bytes, this.used);
    this.advance(bytes.length);
  }

  /** Zeros up to the next multiple of `alignment`. */
  async pad(alignment: number): Promise<void> {
    for (let left = (alignment - (this.position % alignment)) % alignment; left > 0;) {
      const length = Math.min(left, DIRECT - 1);
      await this.bytes(new Uint8Array(length));
      left -= length;
    }
  }

  async string(text: string): Promise<void> {
    // A UTF-16 unit takes at most three bytes.
    if (8 + text.length * 3 > BUFFER) {
      const bytes = this.utf8.encode(text);
      await this.u64(bytes.length);
      await this.bytes(bytes);
      return;
    }
    if (BUFFER - this.used < 8 + text.length * 3) await this.flush();
    const { written } = this.utf8.encodeInto(text, this.buffer.subarray(this.used + 8));
    this.view.setUint32(this.used, written, true);
    this.view.setUint32(this.used + 4, 0, true);
    this.advance(8 + written);
  }

  /** A metadata value with its leading type id. */
  async value(value: Encodable): Promise<void> {
    await this.u32(typeIdOf(value));
    switch (value.kind) {
      case 'number':
        return this.number(value);
      case 'bool':
        return this.bytes(Uint8Array.of(Number(value.value)));
      case 'string':
        return this.string(value.value);
      default:
        return this.array(value);
    }
  }

  private async array(value: Encodable): Promise<void> {
    await this.u32(elementIdOf(value));
    switch (value.kind) {
      case 'numbers': {
        const { buffer, byteOffset, byteLength, length } = value.value;
        await this.u64(length);
        return this.bytes(new Uint8Array(buffer, byteOffset, byteLength));
      }
      case 'bools':
        await this.u64(value.value.length);
        return this.bytes(Uint8Array.from(value.value, Number));
      case 'strings':
        await this.u64(value.value.length);
        for (const [i, text] of value.value.entries()) {
          await this.string(text);
          if (i % 256 === 0 && this.pause.due) await this.pause.rest();
        }
        return;
      case 'arrays':
        await this.u64(value.value.length);
        for (const item of value.value) await this.array(item);
        return;
      default:
        throw new TypeError(`not an array: ${value.kind}`);
    }
  }

  private async number(value: Encodable & { kind: 'number' }): Promise<void> {
    if (BUFFER - this.used < 8) await this.flush();
    const { view, used } = this;
    // isNumberOf() has checked kind and range: number for all types but the 64-bit ones.
    const number = value.value as number;
    switch (value.type) {
      case 'u8':
        view.setUint8(used, number);
        return this.advance(1);
      case 'i8':
        view.setInt8(used, number);
        return this.advance(1);
      case 'u16':
        view.setUint16(used, number, true);
        return this.advance(2);
      case 'i16':
        view.setInt16(used, number, true);
        return this.advance(2);
      case 'u32':
        view.setUint32(used, number, true);
        return this.advance(4);
      case 'i32':
        view.setInt32(used, number, true);
        return this.advance(4);
      case 'f32':
        view.setFloat32(used, number, true);
        return this.advance(4);
      case 'f64':
        view.setFloat64(used, number, true);
        return this.advance(8);
      case 'u64':
        view.setBigUint64(used, BigInt(value.value), true);
        return this.advance(8);
      case 'i64':
        view.setBigInt64(used, BigInt(value.value), true);
        return this.advance(8);
    }
  }

  private advance(count: number): void {
    this.used += count;
    this.position += count;
  }
}
