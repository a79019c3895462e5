// @ts-check
/** One generation decodes, and prompts of others join it: how long it waits for a token. */
import { promptIds } from '../peers/plan.mjs';
import { describeSamples } from '../kernels/statistics.mjs';

/** Tokens of each newcomer's prompt. */
const PROMPT = 128;
/** Gaps between tokens before anybody joins. */
const ALONE = 32;

/**
 * @param {import('../../src/engine/types.ts').Model} model
 * @param {number} newcomers prompts that join at once
 * @returns {Promise<{ alone: number, beside: number, largest: number }>} milliseconds between two tokens of the one that
 *   decodes: median alone; median and largest while prompts are read
 */
export async function stallMs(model, newcomers) {
  const ids = (/** @type {number} */ length, /** @type {number} */ salt) =>
    promptIds(length, model.info.vocabularySize, salt);
  const options = { temperature: 0, ignoreEos: true };
  const alone = /** @type {number[]} */ ([]);
  const beside = /** @type {number[]} */ ([]);
  /** @type {Promise<unknown> | undefined} */
  let joined;
  let reading = false;
  let last = 0;
  for await (const part of model.generate(ids(8, 1), options)) {
    const now = performance.now();
    // Several tokens at once are those whose text is shown late.
    if (last > 0 && part.ids.length === 1) (reading ? beside : alone).push(now - last);
    last = now;
    if (joined === undefined && alone.length >= ALONE) {
      reading = true;
      joined = Promise.all(
        Array.from({ length: newcomers }, async (_, i) => {
          const parts = model.generate(ids(PROMPT, i + 2), { ...options, maxTokens: 1 });
          const prompt = parts[Symbol.asyncIterator]();
          while (!(await prompt.next()).done);
        }),
      ).finally(() => (reading = false));
    } else if (joined !== undefined && !reading) break;
  }
  await joined;
  return {
    alone: describeSamples(alone).median,
    beside: describeSamples(beside).median,
    largest: Math.max(...beside),
  };
}
