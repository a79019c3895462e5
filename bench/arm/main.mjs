// @ts-check
/** `npm run bench:arm`: what nibble costs on ARM64, in instructions, and whether that is more than it used to be. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MATMUL_FORMATS } from '../matmul.mjs';
import { parseRandomSpec, writeRandomModel } from '../../tools/make-model/random-model.mjs';
import { countLlamaCpp } from './llama-cpp.mjs';
import { UsageError } from '../options.mjs';
import { BUDGET_NODE, HELP, parseOptions } from './options.mjs';
import { CPUS, TOKEN_MODEL, WORKERS } from './plan.mjs';
import * as report from './report.mjs';

/** @type {typeof import('../../tools/arm/count.ts')} */
const { countNode, NoEmulatorError, prepareCounting } = await import(
  new URL('../../dist/tools/arm/count.js', import.meta.url).href
);

/** CI's "cannot be done here". */
const SKIPPED = 77;
const at = (/** @type {string} */ path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const BUDGET = at('tools/arm/budget.json');
const REFERENCE = at('tools/arm/llama-cpp.json');
const CACHE = at('.cache/arm');
const guest = (/** @type {string} */ name) => at(`bench/arm/guest-${name}`);
/** V8 compiles and collects garbage in threads of its own: nothing to do with a kernel. */
const ONE_THREAD = { COUNT_THREAD: 'on' };

try {
  const options = parseOptions(
    process.argv.slice(2),
    MATMUL_FORMATS.map(({ name }) => name),
  );
  if (options.help) process.stdout.write(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  const { message } = /** @type {Error} */ (error);
  if (error instanceof NoEmulatorError) {
    process.stdout.write(`bench:arm: SKIPPED: ${message}\n`);
    process.exitCode = SKIPPED;
  } else {
    process.stderr.write(`bench:arm: ${message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** @param {import('./options.mjs').Options} options */
async function main(options) {
  await prepareCounting(options);
  if (options.llamaCpp) write(REFERENCE, await countLlamaCpp({ cache: CACHE, say }));
  /** @type {report.Report} */
  const counted = {};
  for (const cpu of options.cpus) counted[cpu] = await countCpu(cpu, options);

  if (options.update) {
    write(BUDGET, merged(read(BUDGET), counted));
    say('"node scripts/readme.mjs" brings the table of docs/performance.md up to date');
  }
  const reference = /** @type {report.Reference | undefined} */ (read(REFERENCE));
  if (options.json) {
    const document = { node: options.nodeMajor, report: counted, llamaCpp: reference };
    process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    process.stdout.write(render(counted, reference, options));
  }
  // Another Node's code is another budget.
  return options.nodeMajor === BUDGET_NODE ? check(counted) : 0;
}

/**
 * @param {import('./plan.mjs').Cpu} cpu
 * @param {import('./options.mjs').Options} options
 * @returns {Promise<report.CpuReport>}
 */
async function countCpu(cpu, { parts, formats, nodeMajor }) {
  const { variant } = CPUS[cpu];
  const wanted = formats ?? MATMUL_FORMATS.map(({ name }) => name);
  /** @type {report.CpuReport} */
  const result = { kernels: [], balance: [] };
  if (parts.includes('kernels')) {
    say(`${cpu}: kernels ...`);
    const args = [variant, wanted.join(',')];
    const counts = await countNode(cpu, guest('kernels.mjs'), { nodeMajor, args, env: ONE_THREAD });
    result.kernels = report.kernelsOf(counts);
  }
  if (parts.includes('balance')) {
    say(`${cpu}: balance ...`);
    const counts = await countNode(cpu, guest('balance.mjs'), {
      nodeMajor,
      args: [variant],
      env: ONE_THREAD,
    });
    result.balance = report.balanceOf(counts);
  }
  if (parts.includes('tokens')) {
    say(`${cpu}: tokens ...`);
    const options = { nodeMajor, args: [await randomModel()], env: { NIBBLE_VARIANT: variant } };
    result.token = report.tokenOf(await countNode(cpu, guest('tokens.mjs'), options));
  }
  return result;
}

/** Random weights cost what real ones do. */
async function randomModel() {
  const spec = parseRandomSpec(TOKEN_MODEL);
  const path = join(CACHE, `${spec.shape.name}.${spec.type}.gguf`);
  if (!existsSync(path)) {
    mkdirSync(CACHE, { recursive: true });
    await writeRandomModel(path, spec);
  }
  return path;
}

/** @param {report.Report} counted @param {report.Reference | undefined} reference @param {import('./options.mjs').Options} options */
function render(counted, reference, { nodeMajor }) {
  const blocks = Object.entries(counted).map(([cpu, { kernels, balance, token }]) => {
    const { variant, about } = CPUS[/** @type {import('./plan.mjs').Cpu} */ (cpu)];
    const lines = [`## ${cpu} (${about}), variant ${variant}, Node ${nodeMajor}`];
    if (kernels.length > 0) {
      const from = reference ? `; llama.cpp: ${reference.about}` : '';
      lines.push(
        `Instructions for 32 weights of one row and one token${from}`,
        report.renderKernels(cpu, kernels, reference?.kernels[cpu]),
      );
    }
    if (balance.length > 0) {
      const overall = WORKERS.map(
        (workers) => `${workers}: ${report.overallBalance(balance, workers).toFixed(3)}`,
      ).join(', ');
      lines.push(
        'Chunks of a token shared out among workers',
        report.renderBalance(balance),
        `All matrices of ${TOKEN_MODEL}, busiest / mean by workers: ${overall}`,
      );
    }
    if (token !== undefined) {
      lines.push(`A decoded token of ${TOKEN_MODEL}, one thread: ${token.toFixed(1)} million instructions`);
    }
    return lines.join('\n\n');
  });
  return `${blocks.join('\n\n')}\n\n`;
}

/** @param {report.Report} counted @returns {number} exit code */
function check(counted) {
  const budget = /** @type {report.Budget | undefined} */ (read(BUDGET));
  if (!budget) throw new Error('there is no tools/arm/budget.json: --update writes it');
  const { over, under, unknown } = report.checkBudget(budget, counted);
  for (const name of unknown) say(`the budget does not hold ${name}: --update adds it`);
  if (under > 0) say(`${under} figures are over 3 % below the budget: --update keeps the gain`);
  if (over.length === 0) {
    say('within the budget of tools/arm/budget.json');
    return unknown.length > 0 ? 1 : 0;
  }
  say(`over the budget of tools/arm/budget.json:\n\n${report.renderOver(over)}`);
  say(
    'Where the cost is worth it, "npm run bench:arm -- --update" writes a new budget; say why in the commit.',
  );
  return 1;
}

/** @param {unknown} old @param {report.Report} counted @returns {report.Budget} */
function merged(old, counted) {
  const { counts = {} } = /** @type {report.Budget} */ (old ?? {});
  for (const [cpu, each] of Object.entries(counted))
    counts[cpu] = { ...counts[cpu], ...report.figuresOf(each) };
  return { node: BUDGET_NODE, counts };
}

/** @param {string} path @returns {unknown} */
function read(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** @param {string} path @param {unknown} value */
function write(path, value) {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
