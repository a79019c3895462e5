// Loads, generates, leaves one generation open and another unstarted, disposes, and must then end by itself.
import { loadModelFile } from '../../../dist/src/platform/node/load-model.js';

const [path, mode] = process.argv.slice(2);
const model = await loadModelFile(path, { threads: 3, variant: 'simd' });
let ids = [];
for await (const part of model.generate([1, 2, 3], { temperature: 0, maxTokens: 10, ignoreEos: true })) {
  ids.push(...part.ids);
}
const open = model.generate([1, 2], { ignoreEos: true });
await open.next();
model.generate([1], {});
if (mode === 'running') model.logits([1, 2, 3]).catch(() => undefined);
await model.dispose();
process.stdout.write(JSON.stringify(ids));
