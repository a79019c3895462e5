/** Vectors and classes of texts, several in a step: what a model does beside generating. */
import { ContextOverflowError, ModelError, UsageError } from '../errors.ts';
import { PAGE } from '../kernels/control.ts';
import { classification } from './classifier.ts';
import type { Engine } from './engine.ts';
import type { KvSequence } from './kv-cache.ts';
import { Pool } from './pooling.ts';
import type { Classification, ClassifyOptions, EmbedOptions } from './types.ts';

/**
 * One vector per text, or with pooling "none" the vectors of its tokens one after another.
 *
 * @throws UsageError for a text without tokens; ContextOverflowError for one that is too long; AbortedError
 */
export async function embed(
  engine: Engine,
  texts: readonly (readonly number[])[],
  { pooling = engine.info.pooling ?? 'mean', normalize = true, signal }: EmbedOptions = {},
): Promise<Float32Array[]> {
  const width = engine.info.embeddingLength;
  return inCompany(engine, texts, async (ids, sequence) => {
    const pools = Array.from(
      { length: pooling === 'none' ? ids.length : 1 },
      () => new Pool(pooling === 'none' ? 'last' : pooling, width),
    );
    await engine.hidden(sequence, ids, (row, i) => (pools[i] ?? pools[0]!).add(row), signal);
    const result = new Float32Array(pools.length * width);
    pools.forEach((pool, i) => result.set(pool.vector(normalize), i * width));
    return result;
  });
}

/**
 * Label and probability per text.
 *
 * @throws ModelError for a model without a classifier; otherwise as `embed`
 */
export async function classify(
  engine: Engine,
  texts: readonly (readonly number[])[],
  { signal }: ClassifyOptions = {},
): Promise<Classification[]> {
  const { labels, name } = engine.info;
  if (!labels) {
    throw new ModelError(`${name} has no classifier: its file has no tensor cls.output.weight`, {
      code: 'ERR_NO_CLASSIFIER',
    });
  }
  return inCompany(engine, texts, (ids, sequence) =>
    engine.extend(sequence, ids, 'first', (rows) => classification(labels, rows[0]!.values), signal),
  );
}

/** Runs `one` for each text on a sequence of its own, as many at a time as the KV cache holds. */
async function inCompany<T>(
  engine: Engine,
  texts: readonly (readonly number[])[],
  one: (ids: readonly number[], sequence: KvSequence) => Promise<T>,
): Promise<T[]> {
  texts.forEach((ids, i) => check(engine, ids, i));
  const results: T[] = [];
  while (results.length < texts.length) {
    const settled = await Promise.allSettled(
      nextGroup(engine, texts, results.length).map(async (ids) => {
        const sequence = engine.createSequence();
        try {
          return await one(ids, sequence);
        } finally {
          sequence.dispose();
        }
      }),
    );
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason;
      results.push(result.value);
    }
  }
  return results;
}

function check(engine: Engine, ids: readonly number[], index: number): void {
  const { contextSize } = engine.info;
  if (ids.length === 0) throw new UsageError(`text ${index + 1} is empty: it has no tokens`);
  engine.check(ids);
  if (ids.length > contextSize) {
    throw new ContextOverflowError(
      `text ${index + 1} has ${ids.length} tokens, the context holds ${contextSize}: shorten or split it`,
    );
  }
}

/** At least one text, and as many as the free pages hold. */
function nextGroup(
  engine: Engine,
  texts: readonly (readonly number[])[],
  start: number,
): readonly (readonly number[])[] {
  let end = start;
  let room = engine.freePages;
  do room -= Math.ceil(texts[end++]!.length / PAGE);
  while (end < texts.length && room >= Math.ceil(texts[end]!.length / PAGE));
  return texts.slice(start, end);
}
