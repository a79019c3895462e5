// @ts-check
/** usage: node tools/make-model/main.mjs SHAPE:TYPE FILE.gguf [--seed N] */
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { RANDOM_TYPES } from './blocks.mjs';
import { parseRandomSpec, writeRandomModel } from './random-model.mjs';
import { SHAPE_NAMES } from './shapes.mjs';

const HELP = `usage: node tools/make-model/main.mjs SHAPE:TYPE FILE.gguf [--seed N]
Writes a model of random weights.
  SHAPE  ${SHAPE_NAMES.join(', ')}
  TYPE   ${RANDOM_TYPES.join(', ')}
example: node tools/make-model/main.mjs 1.1b:Q4_0 random-1.1b.Q4_0.gguf
`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string', default: '1' }, help: { type: 'boolean', short: 'h' } },
  });
  const [spec, path, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(HELP);
  } else if (spec === undefined || path === undefined || rest.length > 0 || !/^\d+$/.test(values.seed)) {
    process.stderr.write(HELP);
    process.exitCode = 2;
  } else {
    const started = performance.now();
    await writeRandomModel(path, parseRandomSpec(spec), { seed: Number(values.seed) });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${path}: ${(statSync(path).size / 1e6).toFixed(1)} MB in ${seconds} s\n`);
  }
} catch (error) {
  process.stderr.write(`make-model: ${/** @type {Error} */ (error).message}\n`);
  process.exitCode = 1;
}
