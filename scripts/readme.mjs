/**
 * Writes the tables of README.md and docs/ that the repository knows: between `<!-- NAME -->` and `<!-- /NAME -->`.
 * `node scripts/readme.mjs` rewrites them, `--check` fails where they are out of date. Needs a build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { goalOf } from '../bench/arm/report.mjs';
import { ARCHITECTURES } from '../dist/src/engine/architectures/index.js';
import { groupBytes, fileRowBytes, FORMATS } from '../dist/src/kernels/formats.js';
import { approximateBytes, approximateRam, MODELS } from '../dist/src/models/index.js';
import { CONVERSIONS } from '../dist/tools/convert/index.js';

const at = (path) => new URL(`../${path}`, import.meta.url);
const readJson = (path) => JSON.parse(readFileSync(at(path), 'utf8'));

/** A Markdown table with columns padded as Prettier pads them. */
function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, 3, ...rows.map((row) => row[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(head), `| ${widths.map((n) => '-'.repeat(n)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

const gigabytes = (bytes) =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

const readme = {
  formats: () =>
    table(
      ['format', 'bits per weight', 'bits in memory', 'activations', 'layout'],
      FORMATS.map((format) => [
        format.name,
        ((fileRowBytes(format, 256) * 8) / 256).toFixed(2),
        (groupBytes(format, 256) / 256).toFixed(2),
        format.form === 'f32' ? 'f32' : 'int8',
        format.layoutText,
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

/** docs/formats.md: the blocks, and what a weight takes on disk and in memory. */
const bits = () =>
  table(
    ['format', 'GGUF id', 'block', 'bits per weight', 'bits in memory', 'activations'],
    FORMATS.map((format) => [
      format.name,
      String(format.type),
      format.blockColumns === 1 ? '' : `${format.blockColumns} weights, ${format.blockBytes} bytes`,
      ((fileRowBytes(format, 256) * 8) / 256).toFixed(2),
      (groupBytes(format, 256) / 256).toFixed(2),
      format.form,
    ]),
  );

/** Counts of the budget beside llama.cpp's: what `npm run bench:arm` prints. */
function arm() {
  const { counts } = readJson('tools/arm/budget.json');
  const { kernels } = readJson('tools/arm/llama-cpp.json');
  const cpus = Object.keys(counts);
  const rows = Object.keys(kernels[cpus[0]])
    .sort()
    .map((name) => [
      name,
      ...cpus.flatMap((cpu) => {
        const [ours, theirs] = [counts[cpu][name], kernels[cpu][name]];
        const goal = goalOf(cpu, name, theirs);
        return [ours.toFixed(2), theirs.toFixed(2), `${goal.toFixed(2)}${ours > goal ? ' missed' : ''}`];
      }),
    ]);
  const head = cpus.flatMap((cpu) => [`${cpu}: nibble`, 'llama.cpp', 'goal']);
  const tokens = cpus.map((cpu) => `${cpu} ${counts[cpu].token.toFixed(1)} M`).join(', ');
  return `${table(['kernel', ...head], rows)}\n\nInstructions of a decoded token (SmolLM2-135M Q4_1, one thread): ${tokens}.`;
}

const POSITIONS = { normal: 'rotary, neighbours', neox: 'rotary, halves', none: 'learned' };

/** What sets an architecture apart, from its description. */
function peculiarities(architecture) {
  return [
    architecture.encoder && 'encoder',
    architecture.scaledEmbedding && 'embedding x sqrt(width)',
    architecture.isLocal && 'some layers local',
    architecture.localRopeBase && 'which rotate with a base of their own',
    architecture.normalizedExperts && 'shares of experts add up to 1',
    architecture.softmaxScale && 'score scale by size',
  ]
    .filter(Boolean)
    .join('; ');
}

function architectures() {
  return table(
    ['architecture', 'models', 'positions', 'norm', 'activation', 'peculiarities'],
    ARCHITECTURES.map((architecture) => [
      `[${architecture.name}](../src/engine/architectures/${architecture.name}.ts)`,
      architecture.models,
      POSITIONS[architecture.rope],
      architecture.norm === 'layer' ? 'LayerNorm' : 'RMSNorm',
      architecture.activation,
      peculiarities(architecture),
    ]),
  );
}

/** Kinds of checkpoints that can be converted. */
const conversions = () =>
  table(
    ['GGUF architecture', '"architectures" in config.json'],
    CONVERSIONS.map(({ name, classes }) => [name, classes.join(', ')]),
  );

const recordedRun = () => readJson('lab/recorded.json');
const referenceOf = (stage) => (stage.startsWith('w8a8') ? 'w8a8-00-reference' : '00-reference');
const shortened = (value) => value.toFixed(value < 10 ? 2 : 1);

/** What the course's kernels gain: measured on one machine, predicted for ARM cores. `node scripts/lab-ratios.mjs --update`. */
function labRatios() {
  const { measured, arm } = recordedRun();
  const cores = {
    'cortex-a72': 'Pi 4',
    'cortex-a76': 'Pi 5',
    'neoverse-n1': 'Graviton2',
    'neoverse-v1': 'Graviton3',
  };
  const gops = (stage, cpu) => arm.kernels.find((row) => row.stage === stage && row.cpu === cpu)?.gops;
  const rows = measured.rows.map(({ stage, workers, ratio }) => [
    stage,
    String(workers),
    `${shortened(ratio)} x`,
    ...Object.keys(cores).map((cpu) => {
      const gain = gops(stage, cpu) / gops(referenceOf(stage), cpu);
      return Number.isFinite(gain) ? `${shortened(gain)} x` : '';
    }),
  ]);
  const head = ['stage', 'workers', 'measured', ...Object.values(cores).map((name) => `${name}, PREDICTED`)];
  const noise = measured.others > 0.05 ? `, of which others used ${Math.round(100 * measured.others)} %` : '';
  const source = `Measured on ${measured.at}: ${measured.machine}${noise}. ARM predicted on ${arm.at} for one worker at work, from V8's code of Node ${arm.node}. Recorded by \`node scripts/lab-ratios.mjs --update\` in [lab/recorded.json](../lab/recorded.json).`;
  return `${table(head, rows)}\n\n${source}`;
}

/** What they cost ARM cores in instructions. */
function labArm() {
  const { arm } = recordedRun();
  const row = (rows, stage, cpu) => rows.find((one) => one.stage === stage && one.cpu === cpu);
  const stages = [...new Set(arm.kernels.map(({ stage }) => stage))];
  const kernel = (stage, cpu) => row(arm.kernels, stage, cpu);
  const token = (stage, cpu) => row(arm.tokens, stage, cpu)?.decode.toFixed(2) ?? '';
  const rows = ['nibble', ...stages].map((stage) => {
    const [a76, a72] = [kernel(stage, 'cortex-a76'), kernel(stage, 'cortex-a72')];
    return [
      stage === 'nibble' ? "the engine's own" : stage,
      a76?.per32Weights.toFixed(1) ?? '',
      a72?.per32Weights.toFixed(1) ?? '',
      a76?.multiplies.join(', ') ?? '',
      a72?.multiplies.join(', ') ?? '',
      token(stage, 'cortex-a76'),
      token(stage, 'cortex-a72'),
    ];
  });
  const head = ['stage', 'A76, N1', 'A72', 'A76 multiplies by', 'A72', 'a token on A76, M', 'on A72, M'];
  const { rows: r, columns: c } = arm.shape;
  const balance = `With 1, 2 and 4 workers the busiest one has at most ${arm.balance.toFixed(2)} times the mean.`;
  return `${table(head, rows)}\n\nCounted with a matrix of ${r} x ${c} on ${arm.at}, Node ${arm.node}; a token: of the tiny model, one thread. ${balance}`;
}

/** Tables by file and by the name that marks their place. */
const documents = {
  'docs/convert.md': { conversions },
  'README.md': readme,
  'docs/performance.md': { arm },
  'docs/architectures.md': { architectures },
  'docs/formats.md': { bits },
  'docs/lab.md': { 'lab-ratios': labRatios, 'lab-arm': labArm },
};

/** A document with every table as the repository has it. */
function updated(file, text) {
  return Object.entries(documents[file]).reduce((document, [name, make]) => {
    const marked = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- /${name} -->)`);
    if (!marked.test(document)) throw new Error(`${file} has no <!-- ${name} --> ... <!-- /${name} -->`);
    return document.replace(marked, (_, open, close) => `${open}\n\n${make()}\n\n${close}`);
  }, text);
}

for (const file of Object.keys(documents)) {
  const text = readFileSync(at(file), 'utf8');
  const wanted = updated(file, text);
  if (!process.argv.includes('--check')) {
    writeFileSync(at(file), wanted);
  } else if (wanted !== text) {
    console.error(`${file}: tables are out of date; run node scripts/readme.mjs`);
    process.exitCode = 1;
  }
}
