/**
 * One model with one kernel, measured in a process of its own: prefill, decode, and the share of the linear layers.
 * Arguments: a JSON EndToEndRequest. Writes one JSON document.
 */
import { loadModelFile } from '../../../src/platform/node/load-model.ts';
import type { Model, ProfileRow } from '../../../src/engine/types.ts';
import { linearKernel } from '../kernel.ts';
import type { EndToEndRequest } from './end-to-end.ts';
import type { EndToEndRow } from './results.ts';

const request = JSON.parse(process.argv[2]!) as EndToEndRequest;

/** Any tokens do; the model's answer does not matter. */
function prompt({ vocabularySize }: Model['info'], tokens: number): number[] {
  return Array.from({ length: tokens }, (_, i) => (i * 7919 + 13) % vocabularySize);
}

async function generate(model: Model, tokens: number, maxTokens: number) {
  const options = { temperature: 0, maxTokens, ignoreEos: true };
  for await (const { done } of model.generate(prompt(model.info, tokens), options)) {
    if (done) return done.timings;
  }
  throw new Error('the generation did not end');
}

/** Milliseconds of 4-bit linear layers and of everything. */
function spent(rows: readonly ProfileRow[]): { linear: number; all: number } {
  const sum = (some: readonly ProfileRow[]) => some.reduce((total, row) => total + row.milliseconds, 0);
  // With the engine's own kernels the layers of blk.N are its matmuls, the output apart.
  const isLinear = ({ op }: ProfileRow) =>
    request.kernel ? op.startsWith('linear ') : /^matmul (attn|ffn)/.test(op);
  return { linear: sum(rows.filter(isLinear)), all: sum(rows) };
}

const { path, model: name, threads, promptTokens, generatedTokens, repeats } = request;
const kernel = request.kernel ? await linearKernel(request.kernel, request.work) : undefined;
const contextSize = promptTokens + generatedTokens + 8;
const model = await loadModelFile(path, { threads, kernel, contextSize, profile: true });
await generate(model, Math.min(promptTokens, 16), 4);
let best: Omit<EndToEndRow, 'stage' | 'linearShare'> | undefined;
let share = 0;
for (let i = 0; i < repeats; i++) {
  const first = await generate(model, promptTokens, 1);
  const before = spent(model.profile());
  const timings = await generate(model, 4, generatedTokens);
  const after = spent(model.profile());
  if (best && timings.decodeTokensPerSecond <= best.decodeTokensPerSecond) continue;
  share = (after.linear - before.linear) / (after.all - before.all);
  best = {
    model: name,
    threads,
    prefillTokensPerSecond: first.prefillTokensPerSecond,
    decodeTokensPerSecond: timings.decodeTokensPerSecond,
    timeToFirstTokenMs: first.timeToFirstTokenMs,
    msPerToken: 1000 / timings.decodeTokensPerSecond,
  };
}
await model.dispose();
process.stdout.write(`${JSON.stringify({ ...best, linearShare: share })}\n`);
