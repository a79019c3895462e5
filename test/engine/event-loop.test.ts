/** The calling thread never waits for the workers: its timers fire while a step runs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { greedyIds } from '../oracle/models.ts';
import { someIds, TINY_CHAT } from './fixtures.ts';

const CONTEXT = 2048;
let model: ChatModel;
beforeAll(async () => {
  model = (await loadModelFile(TINY_CHAT, {
    threads: 1,
    variant: 'simd',
    contextSize: CONTEXT,
    batchSize: CONTEXT,
  })) as ChatModel;
});
afterAll(() => model.dispose());

/** Turns of the event loop while `work` runs, and its milliseconds. */
async function turnsDuring(work: () => Promise<unknown>): Promise<{ turns: number; elapsed: number }> {
  let turns = 0,
    running = true;
  const turn = () => {
    turns++;
    if (running) setTimeout(turn, 1);
  };
  const started = performance.now();
  turn();
  await work();
  running = false;
  return { turns, elapsed: performance.now() - started };
}

test('during one long step', async () => {
  // All of it is one step: a thread that waited for it would see one turn.
  const { turns, elapsed } = await turnsDuring(() => greedyIds(model, someIds(CONTEXT, 1280), 1));
  expect(elapsed).toBeGreaterThan(20);
  // On average every 50 ms, however busy the machine is; alone it is about every one.
  expect(turns).toBeGreaterThan(elapsed / 50);
});

test('while decoding, however fast the steps are', async () => {
  const { turns } = await turnsDuring(() => greedyIds(model, [1, 2, 3], 200));
  expect(turns).toBeGreaterThan(10);
});

test('while another model loads', async () => {
  const { turns } = await turnsDuring(async () => {
    const other = await loadModelFile(TINY_CHAT, { threads: 2, variant: 'simd' });
    await other.dispose();
  });
  expect(turns).toBeGreaterThan(5);
});
