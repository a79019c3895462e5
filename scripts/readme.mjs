/**
 * Writes the tables in README.md that the code knows: between `<!-- NAME -->` and `<!-- /NAME -->`.
 * `node scripts/readme.mjs` rewrites them, `--check` fails where they are out of date. Needs a build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { ARCHITECTURES } from '../dist/src/engine/architectures/index.js';
import { groupBytes, fileRowBytes, FORMATS } from '../dist/src/kernels/formats.js';
import { approximateBytes, approximateRam, MODELS } from '../dist/src/models/index.js';

const README = new URL('../README.md', import.meta.url);

/** A Markdown table with columns padded as Prettier pads them. */
function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, 3, ...rows.map((row) => row[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(head), `| ${widths.map((n) => '-'.repeat(n)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

const gigabytes = (bytes) =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

const tables = {
  formats: () =>
    table(
      ['format', 'bits per weight', 'bits in memory', 'activations', 'layout'],
      FORMATS.map((format) => [
        format.name,
        ((fileRowBytes(format, 256) * 8) / 256).toFixed(2),
        (groupBytes(format, 256) / 256).toFixed(2),
        format.form === 'f32' ? 'f32' : 'int8',
        format.layout,
      ]),
    ),
  architectures: () => ARCHITECTURES.map((architecture) => `\`${architecture.name}\``).join(', '),
  models: () =>
    table(
      ['name', 'kind', 'default', 'about', 'memory', 'licence'],
      MODELS.map((model) => {
        const quantization = model.quantizations[0];
        const bytes = approximateBytes(model, quantization);
        const ram = approximateRam(model, quantization);
        return [
          `\`${model.name}\``,
          model.kind,
          quantization,
          bytes === undefined ? '' : gigabytes(bytes),
          ram === undefined ? '' : gigabytes(ram),
          model.licence,
        ];
      }),
    ),
};

/** README.md with every table as the code has it. */
function updated(text) {
  return Object.entries(tables).reduce((readme, [name, make]) => {
    const marked = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- /${name} -->)`);
    if (!marked.test(readme)) throw new Error(`README.md has no <!-- ${name} --> ... <!-- /${name} -->`);
    return readme.replace(marked, (_, open, close) => `${open}\n\n${make()}\n\n${close}`);
  }, text);
}

const text = readFileSync(README, 'utf8');
const wanted = updated(text);
if (process.argv.includes('--check')) {
  if (wanted !== text) {
    console.error('README.md: tables are out of date; run node scripts/readme.mjs');
    process.exitCode = 1;
  }
} else {
  writeFileSync(README, wanted);
}
