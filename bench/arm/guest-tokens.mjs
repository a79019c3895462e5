// @ts-check
/**
 * Runs on an emulated processor: decodes tokens with one thread, some to warm up, then those that are counted.
 * usage: NIBBLE_VARIANT=... guest-tokens.mjs MODEL.gguf
 */
import { begin, mark, setCompiler } from './guest.mjs';
import { COUNTED_TOKENS, WARM_UP_TOKENS } from './plan.mjs';

setCompiler();
/** @type {typeof import('../../src/platform/node/load-model.ts')} */
const { loadModelFile } = await import(
  new URL('../../dist/src/platform/node/load-model.js', import.meta.url).href
);
const [path = ''] = process.argv.slice(2);
const model = await loadModelFile([path], { threads: 1, contextSize: 256 });
const maxTokens = WARM_UP_TOKENS + COUNTED_TOKENS;
let made = 0;
for await (const part of model.generate([1, 100, 200, 300], {
  maxTokens,
  temperature: 0,
  repeatPenalty: 1,
  ignoreEos: true,
})) {
  const before = made;
  made += part.ids.length;
  if (before < WARM_UP_TOKENS && made >= WARM_UP_TOKENS) begin();
  if (before < maxTokens && made >= maxTokens) mark('tokens');
}
await model.dispose();
