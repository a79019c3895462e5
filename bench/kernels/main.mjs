// @ts-check
/**
 * `npm run bench:kernels`: times every weight kernel against what the machine can do at most. One case after the
 * other; within a case all variants (and with --against both builds of each) take turns.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine, NOISE, watchOthers } from '../machine.mjs';
import { UsageError } from '../options.mjs';
import { Matmul, MATMUL_FORMATS } from '../matmul.mjs';
import { casesOf } from './cases.mjs';
import { timeSteps } from './measure.mjs';
import { HELP, parseOptions } from './options.mjs';
import { chartOf, compareRows, renderComparison, renderLimits, renderTable, rowOf } from './report.mjs';

/** @template T @param {string} path below dist @returns {Promise<T>} */
const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
/** @type {typeof import('../../src/kernels/race.ts')} */
const { VARIANTS } = await built('src/kernels/race.js');
/** @type {typeof import('../../src/platform/node/v8-flags.ts')} */
const { knowsRevectorize, setRevectorize, setV8Flags } = await built('src/platform/node/v8-flags.js');
/** @type {typeof import('../../tools/limits/measure.ts')} */
const { measureBandwidth, measurePeak } = await built('tools/limits/measure.js');
/** @type {typeof import('../../tools/charts/terminal.ts')} */
const { terminalBars } = await built('tools/charts/terminal.js');
/** @type {typeof import('../../tools/charts/bars.ts')} */
const { barSpec } = await built('tools/charts/bars.js');
/** @type {typeof import('../../tools/charts/file.ts')} */
const { isChartFile, writeChart } = await built('tools/charts/file.js');

const KERNELS = fileURLToPath(new URL('../../dist/kernels', import.meta.url));
/** With --cold, the copies of a matrix have together about so many bytes. */
const COLD_BYTES = 256 * 2 ** 20;
/** The dot loop is the same as before if the machine is: beyond this, clocks or neighbours have changed. */
const DRIFT = 0.05;

/** @typedef {{ variant: import('../../src/kernels/race.ts').Variant, module: WebAssembly.Module, base: boolean }} Contestant */

try {
  const known = { cores: availableParallelism(), formats: MATMUL_FORMATS.map(({ name }) => name) };
  const options = parseOptions(process.argv.slice(2), { ...known, variants: VARIANTS });
  if (options.help) process.stdout.write(HELP);
  else await main(options);
} catch (error) {
  process.stderr.write(`bench:kernels: ${/** @type {Error} */ (error).message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

/** @param {import('./options.mjs').Options} options */
async function main(options) {
  const base = options.compare === undefined ? undefined : readDocument(options.compare);
  if (options.chart !== undefined && !isChartFile(options.chart)) {
    throw new UsageError(`--chart: ${options.chart} ends neither in .svg nor in .png`);
  }
  const relaxed = setV8Flags();
  if (options.revectorize) {
    if (!knowsRevectorize()) throw new UsageError('--revectorize: needs Node 24 to 26 on x64');
    setRevectorize();
  }
  const runnable = VARIANTS.filter((variant) => relaxed || variant === 'simd');
  const variants = runnable.filter((variant) => options.variants?.includes(variant) ?? true);
  if (variants.length === 0) throw new UsageError(`--variant: here runs ${runnable.join(', ')}`);
  const contestants = variants.flatMap((variant) => [
    ...(options.against === undefined ? [] : [load(options.against, variant, true)]),
    load(KERNELS, variant, false),
  ]);

  const others = watchOthers();
  const limits = await measureLimits(variants, options.threads);
  /** @type {import('./report.mjs').Row[]} */
  const rows = [];
  /** @type {import('./report.mjs').Row[]} */
  const againstRows = [];
  const cases = casesOf(options, MATMUL_FORMATS);
  if (cases.length === 0) throw new UsageError('--shape: no such matrix has whole blocks of these formats');
  for (const [i, product] of cases.entries()) {
    const timed = await measureCase(product, contestants, options);
    for (const { contestant, ...figures } of timed) {
      const limit = limits.find(
        ({ threads, variant }) => threads === product.threads && variant === figures.variant,
      );
      if (limit) (contestant.base ? againstRows : rows).push(rowOf(product, figures, limit));
    }
    say(
      `${i + 1} of ${cases.length}: ${product.kernel} ${product.format.name} ${product.rows} x ${product.columns}, ${product.threads} threads`,
    );
  }

  /** @type {import('./report.mjs').Document} */
  const document = {
    machine: describeMachine(),
    date: new Date().toISOString(),
    revectorize: options.revectorize,
    limits,
    rows,
  };
  const json = `${JSON.stringify(document)}\n`;
  if (options.out !== undefined) writeFileSync(options.out, json);
  if (options.chart !== undefined) await writeChart(options.chart, barSpec(chartOf(rows)));
  if (options.json) {
    process.stdout.write(json);
    return;
  }
  const share = others(0);
  const parts = [
    `${document.machine}${options.revectorize ? ', revectorized' : ''}\nother processes used ${(100 * share).toFixed(0)} % of the machine${share > NOISE ? ': these figures are noisy' : ''}`,
    renderLimits(limits),
    renderTable(rows),
    terminalBars(chartOf(rows)),
  ];
  if (options.against !== undefined) {
    parts.push(`Against ${options.against}:\n\n${renderComparison(compareRows(againstRows, rows))}`);
  }
  if (base) {
    const drift = driftOf(base.limits, limits);
    const warning = Math.abs(drift - 1) > DRIFT ? `; its peak is ${drift.toFixed(2)} x the one of then` : '';
    const what = `${options.compare} (${base.machine}${base.revectorize ? ', revectorized' : ''}${warning})`;
    parts.push(`Compared with ${what}:\n\n${renderComparison(compareRows(base.rows, rows))}`);
  }
  process.stdout.write(parts.join('\n\n'));
}

/** @param {string} folder @param {Contestant['variant']} variant @param {boolean} base @returns {Contestant} */
function load(folder, variant, base) {
  const path = join(resolve(folder), `${variant}.wasm`);
  if (!existsSync(path)) throw new UsageError(`there is no ${path}: a folder of compiled kernels has it`);
  return { variant, base, module: new WebAssembly.Module(readFileSync(path)) };
}

/** @param {readonly Contestant['variant'][]} variants @param {readonly number[]} threadCounts */
async function measureLimits(variants, threadCounts) {
  /** @type {import('./report.mjs').Limits[]} */
  const limits = [];
  for (const threads of threadCounts) {
    const bandwidth = await measureBandwidth({ variant: 'simd', threads });
    for (const variant of variants) {
      limits.push({ variant, threads, bandwidth, ...(await measurePeak({ variant, threads })) });
    }
  }
  return limits;
}

/**
 * @param {import('./cases.mjs').Case} product @param {readonly Contestant[]} contestants
 * @param {import('./options.mjs').Options} options
 */
async function measureCase(product, contestants, { cold, samples, sampleMs }) {
  const one =
    (product.rows / 8) * (product.columns / product.format.blockColumns) * product.format.groupBlockBytes;
  const copies = cold ? Math.max(1, Math.min(64, Math.ceil(COLD_BYTES / one))) : 1;
  const runs = contestants.map(({ module }) => new Matmul(module, { ...product, copies }));
  try {
    await Promise.all(runs.map((run) => run.ready()));
    const times = timeSteps(runs, { samples, sampleMs });
    return contestants.map((contestant, i) => {
      checkOutput(runs[i]?.output() ?? new Float32Array(), `${contestant.variant} ${product.format.name}`);
      return {
        contestant,
        variant: contestant.variant,
        cold,
        weightBytes: one,
        samples: (times[i] ?? []).map((seconds) => seconds / copies),
      };
    });
  } finally {
    await Promise.all(runs.map((run) => run.close()));
  }
}

/** A kernel that computes nothing would be the fastest. @param {Float32Array} output @param {string} what */
function checkOutput(output, what) {
  const wrong = output.findIndex((value) => !Number.isFinite(value) || value === 0);
  if (wrong !== -1) throw new Error(`${what}: result ${wrong} is ${output[wrong]}`);
}

/** @param {string} path @returns {import('./report.mjs').Document} */
function readDocument(path) {
  let document;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--compare: cannot read ${path}: ${/** @type {Error} */ (error).message}`, {
      cause: error,
    });
  }
  if (!Array.isArray(document?.rows) || !Array.isArray(document.limits)) {
    throw new UsageError(`--compare: ${path} was not written by --out`);
  }
  return document;
}

/** How much faster the machine's own dot loops are than then. @param {readonly import('./report.mjs').Limits[]} then @param {readonly import('./report.mjs').Limits[]} now */
function driftOf(then, now) {
  const ratios = now.flatMap(({ variant, threads, int8 }) => {
    const old = then.find((limit) => limit.variant === variant && limit.threads === threads);
    return old ? [int8 / old.int8] : [];
  });
  return ratios.length === 0 ? 1 : ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
