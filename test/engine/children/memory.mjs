// Loads with the options given as JSON, fills the context, prints the estimate and what the process really took.
import { closeGguf, openGguf } from '../../../dist/src/gguf/index.js';
import { fileSource } from '../../../dist/src/platform/node/file-source.js';
import { estimateMemory, loadModelFile } from '../../../dist/src/platform/node/load-model.js';

const [path, json] = process.argv.slice(2);
const options = { variant: 'simd', ...JSON.parse(json) };
const file = await openGguf(path, fileSource);
const estimate = await estimateMemory(file, options);
await closeGguf(file);
const model = await loadModelFile(path, options);
const { contextSize, vocabularySize, memoryBytes } = model.info;
const ids = Array.from({ length: contextSize }, (_, i) => (i * 31) % vocabularySize);
for await (const part of model.generate(ids, { maxTokens: 1 })) if (part.done) break;
await model.dispose();
process.stdout.write(
  JSON.stringify({
    estimate,
    memoryBytes,
    fileBytes: model.info.fileBytes,
    maxRss: process.resourceUsage().maxRSS * 1024,
  }),
);
