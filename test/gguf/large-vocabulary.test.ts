/** A vocabulary of 150,000 tokens and 280,000 merges in a file of 1 GB: only its header is read, and the host stays responsive. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { memorySink, readGguf, writeGguf, type ByteSource, type GgufFile } from '../../src/gguf/index.ts';
import { f32Tensor, pairs } from './helpers.ts';

/** A file whose first bytes are real and whose other gigabyte is never asked for. */
function sparseSource(head: Uint8Array, size: number): ByteSource & { bytesRead: number } {
  return {
    name: 'large.gguf',
    size,
    bytesRead: 0,
    read(offset, length) {
      this.bytesRead += length;
      const bytes = new Uint8Array(length);
      bytes.set(head.subarray(Math.min(offset, head.length), offset + length));
      return Promise.resolve(bytes);
    },
    close: () => Promise.resolve(),
  };
}

/** Reads while the event loop is watched: how often it had its turn. */
async function readWatched(source: ByteSource): Promise<{ file: GgufFile; turns: number }> {
  let turns = 0;
  let reading = true;
  const tick = (): void => {
    turns++;
    if (reading) setImmediate(tick);
  };
  setImmediate(tick);
  const file = await readGguf(source);
  reading = false;
  return { file, turns };
}

afterEach(() => vi.restoreAllMocks());

describe('a large vocabulary', () => {
  it('is read without its gigabyte, and hands the event loop back', async () => {
    const word = (i: number): string => `Ġ${i.toString(36)}${'e'.repeat(i % 5)}`;
    const metadata = pairs({
      'tokenizer.ggml.tokens': Array.from({ length: 150_000 }, (_, i) => word(i)),
      'tokenizer.ggml.token_type': new Int32Array(150_000).fill(1),
      'tokenizer.ggml.merges': Array.from({ length: 280_000 }, (_, i) => `${word(i % 999)} ${word(i)}`),
    });
    const sink = memorySink();
    await writeGguf(sink, { metadata, tensors: [f32Tensor('t', [1])] });
    const head = sink.bytes();

    // A clock that moves with each look at it: what counts is how often the reader looks, not how fast it is.
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now++);
    const source = sparseSource(head, 2 ** 30);
    const { file, turns } = await readWatched(source);
    expect((file.metadata.get('tokenizer.ggml.merges') as string[]).at(-1)).toBe(
      `${word(279_999 % 999)} ${word(279_999)}`,
    );
    // The header and one window beyond, not the gigabyte.
    expect(source.bytesRead).toBeLessThan(head.length + 5 * 2 ** 20);
    // 430,000 strings, a look every few hundred, a pause after every few looks.
    expect(turns).toBeGreaterThan(100);
  });
});
