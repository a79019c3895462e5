/** Who is in a step with whom: what newcomers' prompts may cost those that decode. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KvSequence } from '../../src/engine/kv-cache.ts';
import { PagePool } from '../../src/engine/page-pool.ts';
import type { Run, Runner } from '../../src/engine/runner.ts';
import { logitRows } from '../../src/engine/runner.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';
import { someIds } from './fixtures.ts';

const BATCH = 128;
/** What a token takes on this machine of the test's own clock. */
const MS_PER_TOKEN = 10;
/** What a step beside one that decodes should take at most. */
const STALL_MS = 100;

let pool: PagePool;
let scheduler: Scheduler;
let clock: number;
/** Of each step: whose tokens, and how many. */
let steps: Map<KvSequence, number>[];

beforeEach(() => {
  clock = 0;
  steps = [];
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
  pool = new PagePool(100);
  const step = (runs: readonly Run[]): Promise<Float32Array[][]> => {
    steps.push(new Map(runs.map(({ sequence, ids }) => [sequence, ids.length])));
    clock += MS_PER_TOKEN * runs.reduce((sum, { ids }) => sum + ids.length, 0);
    return Promise.resolve(
      runs.map(({ ids, outputs }) =>
        Array.from({ length: logitRows(outputs, ids.length) }, () => new Float32Array(1)),
      ),
    );
  };
  scheduler = new Scheduler({ step } as unknown as Runner, { batch: BATCH, outputs: BATCH });
});
afterEach(() => vi.restoreAllMocks());

/** A sequence as a generation holds it. */
function generating(): KvSequence {
  const sequence = new KvSequence(pool, { limit: 1000, sharing: false });
  sequence.busy = true;
  return sequence;
}

const extend = (sequence: KvSequence, count: number) =>
  scheduler.extend(sequence, someIds(count, 100), 'last', () => undefined);

/** One that has its prompt and decodes until `until` is settled; its caller waits `pause` ms between tokens. */
async function decode(sequence: KvSequence, until: Promise<unknown>, pause = 0): Promise<void> {
  let going = true;
  void until.then(() => (going = false));
  while (going) {
    await extend(sequence, 1);
    if (pause === 0) continue;
    // Many steps without it could be taken now.
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    clock += pause;
  }
}

const total = (step: Map<KvSequence, number>) => [...step.values()].reduce((sum, count) => sum + count, 0);
/** Steps with tokens of a prompt in them. */
const withPrompts = () => steps.filter((step) => [...step.values()].some((count) => count > 1));

describe('prompts beside one that decodes', () => {
  test.each([1, 4])('of %i newcomers go in pieces that it hardly notices', async (count) => {
    const running = generating();
    await extend(running, 20);
    steps = [];
    const newcomers = Array.from({ length: count }, generating);
    await decode(running, Promise.all(newcomers.map((sequence) => extend(sequence, 60))));
    expect(newcomers.map(({ tokens }) => tokens.length)).toEqual(newcomers.map(() => 60));
    // The first step, of a length that nothing was measured for, may be another; so may the one under way.
    const paced = withPrompts().slice(1);
    expect(paced.length).toBeGreaterThan(5 * count);
    for (const step of paced) expect(total(step) * MS_PER_TOKEN).toBeLessThanOrEqual(STALL_MS);
    expect(paced.every((step) => step.has(running))).toBe(true);
  });

  test('also while its caller looks at a token', async () => {
    const running = generating();
    await extend(running, 20);
    steps = [];
    await decode(running, extend(generating(), 100), 50);
    expect(withPrompts().length).toBeGreaterThan(10);
    for (const step of steps) expect(total(step) * MS_PER_TOKEN).toBeLessThanOrEqual(STALL_MS);
  });
});

describe('prompts go as fast as they can', () => {
  const largest = () => Math.max(...steps.map(total));

  test('where nobody decodes, several in one step', async () => {
    await Promise.all([200, 30, 30].map((count) => extend(generating(), count)));
    // The first step had begun when the others came.
    expect(steps.map(total)).toEqual([BATCH, BATCH, 4]);
  });

  test('after a generation that has ended', async () => {
    const ended = generating();
    await extend(ended, 20);
    ended.busy = false;
    await extend(generating(), 100);
    expect(largest()).toBe(100);
  });

  test('beside one whose caller has left it standing', async () => {
    await extend(generating(), 20);
    clock += 5000;
    await extend(generating(), 100);
    expect(largest()).toBe(100);
  });
});
