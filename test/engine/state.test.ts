/** Saved states: what goes on after them is the same bit for bit, and nothing else is taken for one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import type { KvType, LoadOptions, Sequence } from '../../src/engine/types.ts';
import { ContextOverflowError, StateError } from '../../src/errors.ts';
import { memorySink } from '../../src/gguf/sinks.ts';
import { memorySource } from '../../src/gguf/sources.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { loadState, saveState } from '../../src/platform/node/state-file.ts';
import { sameBits } from '../oracle/compare.ts';
import { collect, withModel } from '../oracle/models.ts';
import { GEMMA3, someIds, TINY_CHAT, TINY_CHAT_Q4_0 } from './fixtures.ts';

const scratch = mkdtempSync(join(tmpdir(), 'nibble-state-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Two pages and a part of a third. */
const TEXT = someIds(150);
const MORE = someIds(12).map((id) => (id * 5 + 3) % 128);

/** Logits of `ids`, one after another, on a sequence that holds something already. */
async function continued(model: ChatModel, sequence: Sequence, ids: number[]): Promise<Float32Array> {
  const { vocabularySize } = model.info;
  const all = new Float32Array(ids.length * vocabularySize);
  const held = [...sequence.tokens];
  for (const [i, id] of ids.entries()) {
    held.push(id);
    const options = { temperature: 0, maxTokens: 1, ignoreEos: true, logprobs: vocabularySize - 1, sequence };
    const { parts } = await collect(model.generate(held, options));
    for (const { id, logprob } of parts[0]!.logprobs![0]!.top) all[i * vocabularySize + id] = logprob;
  }
  return all;
}

async function fill(model: ChatModel, ids = TEXT): Promise<Sequence> {
  const sequence = model.createSequence();
  await collect(model.generate(ids, { temperature: 0, maxTokens: 1, ignoreEos: true, sequence }));
  return sequence;
}

async function save(model: ChatModel, sequence: Sequence, extra?: unknown): Promise<Uint8Array> {
  const sink = memorySink();
  await model.saveState(sequence, sink, { extra });
  return sink.bytes();
}
const restore = (model: ChatModel, sequence: Sequence, bytes: Uint8Array) =>
  model.loadState(sequence, memorySource(bytes, 'the state'));

describe.each(['f16', 'f32', 'q8_0'] as KvType[])('%s cache', (kvType) => {
  test('continues as if it had never stopped, on other threads, segments and batches', async () => {
    const load: LoadOptions = { contextSize: 512, kvType };
    const { bytes, expected } = await withModel(GEMMA3, { ...load, threads: 1 }, async (model) => {
      const sequence = await fill(model);
      const bytes = await save(model, sequence, { note: 'a text' });
      return { bytes, expected: await continued(model, sequence, MORE) };
    });
    for (const options of [{ threads: 3 }, { threads: 2, segmentLimit: 100_000, batchSize: 7 }]) {
      await withModel(GEMMA3, { ...load, ...options }, async (model) => {
        if (options.segmentLimit) expect(model.info.segments).toBeGreaterThan(1);
        const sequence = await fill(model, someIds(80).reverse());
        expect(await restore(model, sequence, bytes)).toEqual({ note: 'a text' });
        expect(sequence.tokens).toEqual(TEXT);
        sameBits(await continued(model, sequence, MORE), expected);
        // The same tokens give the same file, whatever the pages held before.
        const again = model.createSequence();
        await restore(model, again, bytes);
        const copy = await save(model, again, { note: 'a text' });
        expect(Buffer.compare(copy, bytes)).toBe(0);
      });
    }
  });
});

describe('a file of nibble, and nothing else', () => {
  let model: ChatModel;
  let bytes: Uint8Array;
  beforeAll(async () => {
    model = (await loadModelFile(TINY_CHAT, { threads: 2, contextSize: 512 })) as ChatModel;
    const sequence = await fill(model);
    bytes = await save(model, sequence);
    sequence.dispose();
  });
  afterAll(() => model.dispose());

  /** Refused, and the sequence can be used afterwards. */
  async function refused(file: Uint8Array, message: RegExp, on = model): Promise<void> {
    const sequence = await fill(on, [5, 6, 7]);
    await expect(restore(on, sequence, file)).rejects.toThrow(message);
    await expect(restore(on, sequence, file)).rejects.toBeInstanceOf(StateError);
    expect([0, 3]).toContain(sequence.tokens.length);
    await continued(on, sequence, [9]);
    sequence.dispose();
  }

  test('the right one is taken', async () => {
    const sequence = model.createSequence();
    await restore(model, sequence, bytes);
    expect(sequence.tokens).toEqual(TEXT);
    sequence.dispose();
  });

  test('an empty sequence', async () => {
    const empty = await save(model, model.createSequence(), [1]);
    const sequence = await fill(model, [5, 6]);
    expect(await restore(model, sequence, empty)).toEqual([1]);
    expect(sequence.tokens).toEqual([]);
  });

  test('truncated anywhere', async () => {
    const header = 16 + new DataView(bytes.buffer).getUint32(12, true);
    for (const length of [
      0,
      7,
      15,
      16,
      40,
      header,
      header + 31,
      header + 100,
      bytes.length >> 1,
      bytes.length - 1,
    ]) {
      await refused(bytes.slice(0, length), /^the state: (is damaged|is not a saved state)/);
    }
    await refused(Uint8Array.from([...bytes, 0]), /is damaged/);
  });

  test('a bit flipped anywhere', async () => {
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 60)) {
      const copy = bytes.slice();
      copy[at]! ^= 1 << (at % 8);
      await refused(copy, /^the state: /);
    }
  });

  test('pages that change places', async () => {
    const copy = bytes.slice();
    const header = 16 + new DataView(bytes.buffer).getUint32(12, true) + 32;
    const first = header + TEXT.length * 4 + 32;
    const size = (bytes.length - first) / 3;
    copy.set(bytes.subarray(first + size, first + 2 * size), first);
    copy.set(bytes.subarray(first, first + size), first + size);
    await refused(copy, /damaged/);
  });

  test('a header that asks for more than there is', async () => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(12, 0xffffffff, true);
    await refused(copy, /header of 4294967295 bytes/);
    new DataView(copy.buffer).setUint32(12, 50_000_000, true);
    await refused(copy, /ends inside its header/);
  });

  test('another version, another format', async () => {
    const copy = bytes.slice();
    copy[8] = 2;
    await refused(copy, /version 2, and this nibble reads version 1/);
    await refused(new TextEncoder().encode('{"format":"nibble-conversation"}'), /not a saved state/);
  });

  test('another model of the same shape, another type of cache', async () => {
    await withModel(TINY_CHAT_Q4_0, { contextSize: 512 }, (other) =>
      refused(bytes, /saved with another model/, other),
    );
    await withModel(TINY_CHAT, { contextSize: 512, kvType: 'q8_0' }, (other) =>
      refused(bytes, /has a f16 cache, this model a q8_0 one; use --kv-type f16/, other),
    );
  });

  test('more than the context holds', async () => {
    await withModel(TINY_CHAT, { contextSize: 128 }, async (small) => {
      const sequence = small.createSequence();
      await expect(restore(small, sequence, bytes)).rejects.toBeInstanceOf(ContextOverflowError);
    });
  });
});

describe('files', () => {
  const path = join(scratch, 'talk.state');

  test('a chat goes on with the tokens of its turns, computing only what is new', async () => {
    const messages = [{ role: 'user', content: 'What is a nibble?' }];
    const options = { temperature: 0, maxTokens: 20 };
    const { text, again } = await withModel(TINY_CHAT, {}, async (model) => {
      const sequence = model.createSequence();
      const { text } = await collect(model.chat(messages, { ...options, sequence }));
      await saveState(model, sequence, path, { extra: messages });
      const next = [...messages, { role: 'assistant', content: text }, { role: 'user', content: 'Why?' }];
      return { text, again: await collect(model.chat(next, { ...options, sequence })) };
    });
    await withModel(TINY_CHAT, { threads: 1 }, async (model) => {
      const sequence = model.createSequence();
      const restored = (await loadState(model, sequence, path)) as typeof messages;
      const next = [...restored, { role: 'assistant', content: text }, { role: 'user', content: 'Why?' }];
      const answer = await collect(model.chat(next, { ...options, sequence }));
      expect(answer.ids).toEqual(again.ids);
      expect(answer.done.timings.reusedTokens).toBe(again.done.timings.reusedTokens);
      expect(answer.done.timings.reusedTokens).toBeGreaterThan(20);
    });
  });

  test('a failure leaves the old file, and nothing beside it', async () => {
    const before = readFileSync(path);
    await withModel(TINY_CHAT, {}, async (model) => {
      const sequence = await fill(model);
      const signal = AbortSignal.abort();
      await expect(saveState(model, sequence, path, { signal })).rejects.toThrow('stopped');
      await expect(saveState(model, sequence, join(scratch, 'no', 'folder'))).rejects.toThrow(StateError);
      await expect(loadState(model, sequence, join(scratch, 'none'))).rejects.toThrow(/no such file/);
      await expect(loadState(model, sequence, scratch)).rejects.toThrow(StateError);
    });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(scratch)).toEqual(['talk.state']);
  });

  test('a model file that is no state', async () => {
    const other = join(scratch, 'other');
    writeFileSync(other, readFileSync(TINY_CHAT).subarray(0, 4096));
    await withModel(TINY_CHAT, {}, async (model) => {
      await expect(loadState(model, model.createSequence(), other)).rejects.toThrow(
        /other: is not a saved state/,
      );
    });
    rmSync(other);
  });
});
