/** A vocabulary of 150,000 tokens and 280,000 merges in a file of 1 GB: fast, and the host stays responsive. */
import { describe, expect, it } from 'vitest';
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

async function readWatched(
  source: ByteSource,
): Promise<{ file: GgufFile; ms: number; longestBlock: number }> {
  let longestBlock = 0;
  let last = performance.now();
  const tick = (): void => {
    const now = performance.now();
    longestBlock = Math.max(longestBlock, now - last);
    last = now;
  };
  const timer = setInterval(tick, 1);
  const start = performance.now();
  const file = await readGguf(source);
  tick();
  clearInterval(timer);
  return { file, ms: last - start, longestBlock };
}

/**
 * How much slower this machine is now than an idle one: 1 or more. Other tests run beside this one, and limits
 * in milliseconds would say more about them than about the reader.
 */
function busyFactor(): number {
  const IDLE_MS = 60;
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(20).fill(0x61);
  const start = performance.now();
  const texts: string[] = [];
  for (let i = 0; i < 300_000; i++) texts.push(decoder.decode(bytes.subarray(0, i % 20)));
  return Math.max(1, (performance.now() - start) / IDLE_MS);
}

describe('a large vocabulary', () => {
  it('is read in under 150 ms without blocking for 20', async () => {
    const word = (i: number): string => `Ġ${i.toString(36)}${'e'.repeat(i % 5)}`;
    const metadata = pairs({
      'tokenizer.ggml.tokens': Array.from({ length: 150_000 }, (_, i) => word(i)),
      'tokenizer.ggml.token_type': new Int32Array(150_000).fill(1),
      'tokenizer.ggml.merges': Array.from({ length: 280_000 }, (_, i) => `${word(i % 999)} ${word(i)}`),
    });
    const sink = memorySink();
    await writeGguf(sink, { metadata, tensors: [f32Tensor('t', [1])] });
    const head = sink.bytes();

    // The best of five: the machine may be busy with other things.
    let best = { ms: Infinity, longestBlock: Infinity };
    for (let run = 0; run < 5; run++) {
      const source = sparseSource(head, 2 ** 30);
      const { file, ms, longestBlock } = await readWatched(source);
      expect((file.metadata.get('tokenizer.ggml.merges') as string[]).at(-1)).toBe(
        `${word(279_999 % 999)} ${word(279_999)}`,
      );
      // The header and one window beyond, not the gigabyte.
      expect(source.bytesRead).toBeLessThan(head.length + 5 * 2 ** 20);
      best = { ms: Math.min(best.ms, ms), longestBlock: Math.min(best.longestBlock, longestBlock) };
    }
    const slower = busyFactor();
    expect(best.ms).toBeLessThan(150 * slower);
    expect(best.longestBlock).toBeLessThan(20 * slower);
  });
});
