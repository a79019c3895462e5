/**
 * Files of log probabilities to compare with, in llama-perplexity's format (--kl-divergence-base), so that either
 * program reads what the other wrote:
 *
 *     "_logits_", i32 window, i32 vocabulary, i32 windows, i32 tokens[windows * window]
 *     then for each window the rows of positions window / 2 .. window - 2:
 *     f32 scale, f32 minimum, u16 values[vocabulary, rounded up to even]    ln p = scale * value + minimum
 *
 * Log probabilities more than 16 below the largest count as 16 below.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { NibbleError } from '../../src/errors.ts';
import { fileSink } from '../../src/platform/node/file-sink.ts';
import { cannotRead } from '../../src/platform/node/read-reason.ts';
import { cannotWrite } from '../../src/platform/node/write-reason.ts';
import type { ByteSink } from '../../src/gguf/sinks.ts';
import type { RowScore } from './score.ts';

const MAGIC = '_logits_';
const HEADER_BYTES = 20;

export interface KlHeader {
  window: number;
  vocabulary: number;
  tokens: Int32Array;
}

function rowBytes(vocabulary: number): number {
  return 2 * (2 * Math.floor((vocabulary + 1) / 2) + 4);
}

/** Its file appears with `close`; one of `close` and `abort` must be called. */
export class KlWriter {
  private readonly sink: ByteSink;
  private readonly row: Buffer;

  private constructor(sink: ByteSink, vocabulary: number) {
    this.sink = sink;
    this.row = Buffer.alloc(rowBytes(vocabulary));
  }

  /**
   * @param header `tokens`: whole windows
   * @throws NibbleError ERR_OUTPUT when the file cannot be written
   */
  static async create(path: string, { window, vocabulary, tokens }: KlHeader): Promise<KlWriter> {
    const sink = await fileSink(path, cannotWrite);
    const header = Buffer.alloc(HEADER_BYTES + 4 * tokens.length);
    header.write(MAGIC, 'latin1');
    header.writeInt32LE(window, 8);
    header.writeInt32LE(vocabulary, 12);
    header.writeInt32LE(tokens.length / window, 16);
    tokens.forEach((id, i) => header.writeInt32LE(id, HEADER_BYTES + 4 * i));
    try {
      await sink.write(header);
    } catch (error) {
      await sink.abort();
      throw error;
    }
    return new KlWriter(sink, vocabulary);
  }

  async write(logits: Float32Array, { max, logSumExp }: RowScore): Promise<void> {
    let low = Infinity;
    for (const value of logits) if (value < low) low = value;
    low = Math.max(low, max - 16);
    const scale = Math.fround((max - low) / 65535);
    this.row.fill(0);
    this.row.writeFloatLE(scale, 0);
    this.row.writeFloatLE(low - max - logSumExp, 4);
    if (scale > 0) {
      for (let i = 0; i < logits.length; i++) {
        const value = logits[i]! > low ? Math.min(65535, Math.round((logits[i]! - low) / scale)) : 0;
        this.row.writeUInt16LE(value, 8 + 2 * i);
      }
    }
    await this.sink.write(this.row);
  }

  close(): Promise<void> {
    return this.sink.close();
  }

  /** Leaves no file behind. */
  abort(): Promise<void> {
    return this.sink.abort();
  }
}

export class KlReader {
  readonly header: KlHeader;
  private readonly file: FileHandle;
  private readonly row: Buffer;
  private offset: number;

  private constructor(file: FileHandle, header: KlHeader) {
    this.file = file;
    this.header = header;
    this.row = Buffer.alloc(rowBytes(header.vocabulary));
    this.offset = HEADER_BYTES + 4 * header.tokens.length;
  }

  /** Throws NibbleError when the file is not one, or not whole. */
  static async open(path: string): Promise<KlReader> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw cannotRead(path, error);
    });
    try {
      return new KlReader(file, await readHeader(file, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The next row as log probabilities. Rows must be read in order. */
  async read(into: Float32Array): Promise<void> {
    await this.file.read(this.row, 0, this.row.length, this.offset);
    this.offset += this.row.length;
    const scale = this.row.readFloatLE(0);
    const minimum = this.row.readFloatLE(4);
    for (let i = 0; i < into.length; i++) into[i] = scale * this.row.readUInt16LE(8 + 2 * i) + minimum;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function readHeader(file: FileHandle, path: string): Promise<KlHeader> {
  const { size } = await file.stat();
  const head = Buffer.alloc(HEADER_BYTES);
  if (size >= HEADER_BYTES) await file.read(head, 0, HEADER_BYTES, 0);
  if (head.toString('latin1', 0, 8) !== MAGIC) {
    throw new NibbleError(
      'ERR_INPUT',
      `${path} holds no log probabilities: --save-kl-base writes such files`,
    );
  }
  const [window, vocabulary, windows] = [8, 12, 16].map((at) => head.readInt32LE(at)) as [
    number,
    number,
    number,
  ];
  const rows = windows * (window - 1 - (window >> 1));
  const expected = HEADER_BYTES + 4 * windows * window + rows * rowBytes(vocabulary);
  if (window < 2 || vocabulary < 1 || windows < 1 || size !== expected) {
    throw new NibbleError('ERR_INPUT', `${path} is damaged or was cut: ${size} bytes instead of ${expected}`);
  }
  const bytes = Buffer.alloc(4 * windows * window);
  await file.read(bytes, 0, bytes.length, HEADER_BYTES);
  const tokens = Int32Array.from({ length: windows * window }, (_, i) => bytes.readInt32LE(4 * i));
  return { window, vocabulary, tokens };
}
