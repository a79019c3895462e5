/**
 * Reads forward through a ByteSource by way of a window that grows from 256 KB to 4 MB, so that a small
 * header costs one read and a large one few. Nothing is read or allocated before its length has been checked
 * against the size of the source.
 *
 * The getters are synchronous and expect the bytes to be in the window: await `need()` first (in tight loops
 * only when `buffered` is too small: an await per value would cost more than the value).
 */
import { AbortedError, GgufError } from '../errors.ts';
import { LIMITS } from './limits.ts';
import { Pause } from './pause.ts';
import type { ByteSource } from './types.ts';

const FIRST_WINDOW = 256 * 1024;
const LAST_WINDOW = 4 * 1024 * 1024;
/** Larger values are taken in pieces of this many bytes. */
const PIECE = 1024 * 1024;
/** Strings up to this many bytes are decoded without awaiting. */
const SHORT = 4096;

// ignoreBOM: a token may begin with U+FEFF, which TextDecoder would otherwise swallow.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

export class Cursor {
  /** What is being read now, for messages: `value of "general.name"`. */
  reading = 'the header';
  readonly pause = new Pause();
  readonly source: ByteSource;
  private readonly signal: AbortSignal | undefined;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private windowStart = 0;
  private at = 0;
  private nextWindow = FIRST_WINDOW;

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.source = source;
    this.signal = signal;
  }

  /** Offset in the source of the next byte. */
  get position(): number {
    return this.windowStart + this.at;
  }

  /** Bytes from here to the end of the source. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  /** Bytes that can be read without awaiting. */
  get buffered(): number {
    return this.bytes.length - this.at;
  }

  /** An error that says which file, where and what. */
  fail(problem: string): GgufError {
    return new GgufError(`${this.source.name}: ${problem} (${this.reading}, at byte ${this.position})`);
  }

  /** Throws a GgufError when the next `count` bytes are not there, or more than a header may take. */
  check(count: number): void {
    if (count > this.remaining) {
      throw this.fail(`the file is truncated: ${count} more bytes needed, ${this.remaining} are left`);
    }
    if (this.position + count > LIMITS.headerBytes) {
      throw this.fail(`metadata and tensor list take more than ${LIMITS.headerBytes} bytes`);
    }
  }

  /** Makes the next `count` bytes available. Throws a GgufError when the file ends before. */
  async need(count: number): Promise<void> {
    if (count <= this.buffered) return;
    this.check(count);
    if (this.signal?.aborted) throw new AbortedError();
    const start = this.position;
    const length = Math.max(count, Math.min(this.nextWindow, this.remaining));
    this.nextWindow = Math.min(this.nextWindow * 2, LAST_WINDOW);
    const bytes = await this.source.read(start, length);
    if (bytes.length !== length) {
      throw this.fail(`asked for ${length} bytes and got ${bytes.length}`);
    }
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.windowStart = start;
    this.at = 0;
  }

  /** Hands the event loop back if it has been held for long. */
  async rest(): Promise<void> {
    if (!this.pause.due) return;
    await this.pause.rest();
    if (this.signal?.aborted) throw new AbortedError();
  }

  u8(): number {
    return this.bytes[this.at++]!;
  }

  u32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  u64(): bigint {
    this.at += 8;
    return this.view.getBigUint64(this.at - 8, true);
  }

  /** A 64-bit count, length or offset. Throws a GgufError above 2^53, which no file can back. */
  size(what: string): number {
    const low = this.u32();
    const high = this.u32();
    if (high > 0x1f_ffff) {
      this.at -= 8;
      throw this.fail(`absurd ${what} ${(BigInt(high) << 32n) | BigInt(low)}`);
    }
    return high * 0x1_0000_0000 + low;
  }

  /** The next `count` bytes, as a view that is good until the next `need()`. */
  take(count: number): Uint8Array {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** A view of the next `count` bytes for DataView getters; moves on. */
  takeView(count: number): DataView {
    this.at += count;
    return new DataView(this.view.buffer, this.view.byteOffset + this.at - count, count);
  }

  /** The next `count` bytes as text; invalid UTF-8 becomes U+FFFD. */
  text(count: number): string {
    const start = this.at;
    const end = (this.at += count);
    return count <= 12 ? shortText(this.bytes, start, end) : utf8.decode(this.bytes.subarray(start, end));
  }

  /** A length-prefixed string. Throws a GgufError when it is longer than `limit` bytes or than the file. */
  async string(limit: number, what: string): Promise<string> {
    if (this.buffered < 8) await this.need(8);
    const length = this.size(`${what} length`);
    if (length > this.remaining) {
      throw this.fail(`the file is truncated: ${what} of ${length} bytes, ${this.remaining} are left`);
    }
    if (length > limit) throw this.fail(`${what} of ${length} bytes is longer than the limit of ${limit}`);
    return length > PIECE ? this.longText(length) : this.textOf(length);
  }

  /** A string that is short and wholly in the window; undefined, and nothing moves, when it is not. */
  shortString(): string | undefined {
    if (this.buffered < 8) return undefined;
    const length = this.view.getUint32(this.at, true);
    const high = this.view.getUint32(this.at + 4, true);
    if (high !== 0 || length > SHORT || length > this.buffered - 8) return undefined;
    this.at += 8;
    return this.text(length);
  }

  /** The next `count` bytes as text, read if need be. */
  async textOf(count: number): Promise<string> {
    if (this.buffered < count) await this.need(count);
    return this.text(count);
  }

  /** Decoded piece by piece: the event loop runs in between, the window stays small. */
  async longText(count: number): Promise<string> {
    this.check(count);
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    for (let left = count; left > 0;) {
      if (this.buffered === 0) await this.need(Math.min(left, PIECE));
      const length = Math.min(left, this.buffered, PIECE);
      left -= length;
      text += decoder.decode(this.take(length), { stream: left > 0 });
      await this.rest();
    }
    return text;
  }

  /** A copy of the next `count` bytes in a buffer of their own. */
  async copy(count: number): Promise<ArrayBuffer> {
    this.check(count);
    const copy = new Uint8Array(count);
    for (let done = 0; done < count;) {
      if (this.buffered === 0) await this.need(Math.min(count - done, PIECE));
      const length = Math.min(count - done, this.buffered, PIECE);
      copy.set(this.take(length), done);
      done += length;
      await this.rest();
    }
    return copy.buffer;
  }
}

/**
 * Most tokens and merges are a few bytes, ASCII or (byte-level BPE's alphabet) two-byte sequences: adding up
 * characters is cheaper than a call of TextDecoder. Up to 12 bytes, because V8 makes longer sums ropes, which
 * keep their parts alive. Anything unusual goes to TextDecoder after all.
 */
function shortText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte < 0x80) {
      text += String.fromCharCode(byte);
      continue;
    }
    const next = i + 1 < end ? bytes[i + 1]! : 0;
    if (byte < 0xc2 || byte > 0xdf || (next & 0xc0) !== 0x80) return utf8.decode(bytes.subarray(start, end));
    text += String.fromCharCode(((byte & 0x1f) << 6) | (next & 0x3f));
    i++;
  }
  return text;
}

/** A name from a file in quotes: shortened, and without characters that could disturb a terminal. */
export function quote(name: string): string {
  const short = name.length > 120 ? `${name.slice(0, 120)}...` : name;
  return `"${short.replace(/[\p{C}"\\]/gu, '?')}"`;
}
