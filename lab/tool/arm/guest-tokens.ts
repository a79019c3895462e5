/** Runs on an emulated processor: a prompt and some generated tokens, one thread. Argument: a JSON TokenRequest. */
import { readFileSync } from 'node:fs';
import type { Model } from '../../../src/engine/types.ts';
import { loadModelFile } from '../../../src/platform/node/load-model.ts';
import { begin, mark, setCompiler } from '../../../tools/arm/guest.ts';
import type { TokenRequest } from './tokens.ts';

/** The least of so many counts: V8 compiles and collects garbage meanwhile. */
const REPEATS = 3;

setCompiler();
const request = JSON.parse(process.argv[2]!) as TokenRequest;
const { path, promptTokens, warmUpTokens, countedTokens } = request;
const kernel = request.kernel && {
  ...request.kernel,
  module: new WebAssembly.Module(readFileSync(request.kernel.wasm)),
};
const model = await loadModelFile([path], { threads: 1, contextSize: 256, kernel });

/** Any tokens do; other ones each time, or they would be found in the cache. */
function prompt({ vocabularySize }: Model['info'], seed: number): number[] {
  return Array.from({ length: promptTokens }, (_, i) => ((i + 1) * 7919 + seed * 131) % vocabularySize);
}

/** Generates; `onToken` is told how many there are. */
async function generate(seed: number, maxTokens: number, onToken?: (made: number) => void): Promise<void> {
  const options = { maxTokens, temperature: 0, repeatPenalty: 1, ignoreEos: true };
  let made = 0;
  for await (const { ids } of model.generate(prompt(model.info, seed), options)) {
    made += ids.length;
    if (ids.length > 0) onToken?.(made);
  }
}

// The first prompt and tokens pay for compiling.
for (let seed = 1; seed <= 2; seed++) await generate(seed, 2);
for (let seed = 3; seed < 3 + REPEATS; seed++) {
  begin();
  await generate(2 * seed, 1);
  mark('prefill');
  await generate(2 * seed + 1, warmUpTokens + countedTokens, (made) => {
    if (made === warmUpTokens) begin();
    if (made === warmUpTokens + countedTokens) mark('decode');
  });
}
await model.dispose();
