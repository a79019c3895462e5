/** A worker that dies: the call that waits is rejected, later ones too, and the model can be disposed of. */
import type * as PiscinaModule from 'piscina';
import type { Piscina } from 'piscina';
import { describe, expect, test, vi } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import type { Runner } from '../../src/engine/runner.ts';
import { WorkerError } from '../../src/errors.ts';
import { GEMV, RECORD_BYTES } from '../../src/kernels/record.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collect, greedyIds } from '../oracle/models.ts';
import { someIds, TINY_CHAT } from './fixtures.ts';

/** The pools that the host has started: the only way to a thread from outside. */
const pools = vi.hoisted((): Piscina[] => []);
vi.mock('piscina', async (importActual) => {
  const actual = await importActual<typeof PiscinaModule>();
  return {
    ...actual,
    Piscina: class extends actual.Piscina {
      constructor(...args: ConstructorParameters<typeof actual.Piscina>) {
        super(...args);
        pools.push(this);
      }
    },
  };
});

const FOREVER = { temperature: 0, ignoreEos: true } as const;
const IDS = someIds(500, 1280);

async function load(threads: number): Promise<ChatModel> {
  return (await loadModelFile(TINY_CHAT, { threads, variant: 'simd' })) as ChatModel;
}

/** After the death of a worker nothing works, and nothing hangs. */
async function isDead(model: ChatModel): Promise<void> {
  // The others may still finish a step before the news has arrived: rightly, chunk by chunk.
  await vi.waitFor(() => expect(model.logits([1])).rejects.toThrow(WorkerError));
  await expect(greedyIds(model, [1], 1)).rejects.toThrow(WorkerError);
  await model.dispose();
  await expect(model.logits([1])).rejects.toThrow(WorkerError);
}

describe('a thread that is killed', () => {
  test.each([1, 2, 3])('in the middle of a prefill, of %i threads', async (threads) => {
    const model = await load(threads);
    const running = model.logits(IDS).catch((error: unknown) => error);
    // The step has begun: it takes many milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const pool = pools.at(-1)!;
    expect(pool.threads).toHaveLength(threads);
    await pool.threads[0]!.terminate();
    const error = await running;
    expect(error).toBeInstanceOf(WorkerError);
    expect(error).toMatchObject({ code: 'ERR_WORKER' });
    expect((error as Error).message).toMatch(/^a worker died: [^\n]+$/);
    await isDead(model);
  });

  test('between two tokens', async () => {
    const model = await load(2);
    const generation = model.generate(IDS.slice(0, 10), FOREVER);
    await generation.next();
    await pools.at(-1)!.threads[1]!.terminate();
    await expect(collect(generation)).rejects.toThrow(WorkerError);
    await isDead(model);
  });

  test('while nothing is asked of it', async () => {
    const model = await load(2);
    await pools.at(-1)!.threads[0]!.terminate();
    await isDead(model);
  });
});

test('a thread that is killed while it loads', async () => {
  let killed = false;
  const loading = loadModelFile(TINY_CHAT, {
    threads: 3,
    variant: 'simd',
    onProgress: ({ stage }) => {
      if (stage !== 'load' || killed) return;
      killed = true;
      void pools.at(-1)!.threads[2]!.terminate();
    },
  });
  await expect(loading).rejects.toThrow(/^a worker died while loading: [^\n]+$/);
  await expect(loading).rejects.toThrow(WorkerError);
});

test('a trap in WebAssembly reaches the caller as a WorkerError', async () => {
  const model = await load(3);
  const { runner } = (model as unknown as { engine: { runner: Runner } }).engine;
  const { segments } = runner as unknown as {
    segments: {
      memory: WebAssembly.Memory;
      layout: { records: number; program: { ops: { kind: string }[] } };
    }[];
  };
  const { memory, layout } = segments[0]!;
  const view = new DataView(memory.buffer);
  // A matmul in the middle calls a function that is not there.
  const op = layout.program.ops.findLastIndex(({ kind }) => kind === 'matmul');
  view.setUint32(layout.records + op * RECORD_BYTES + GEMV, 0x7fffffff, true);
  const several = [greedyIds(model, [1], 3), greedyIds(model, [2], 3)].map((running) =>
    running.catch((error: unknown) => error),
  );
  for (const error of await Promise.all(several)) {
    expect(error).toBeInstanceOf(WorkerError);
    expect((error as Error).message).toMatch(/^a worker died: .*table index/);
  }
  await isDead(model);
});
