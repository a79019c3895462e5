// @ts-check
/** The command line of `npm run bench:arm`. */
import { FLAG, TEXT, UsageError, parse, someOf } from '../options.mjs';
import { CPUS } from './plan.mjs';

export const HELP = `usage: npm run bench:arm -- [options]
Counts ARM64 instructions under emulation: of each kernel for 32 weights, of a decoded token, and their share-out
among workers. Fails where one needs over 3 % more than tools/arm/budget.json allows. No times: see tools/arm.
  --cpu LIST      ${Object.keys(CPUS).join(', ')} (default both)
  --format LIST   as Q4_0,Q4_K: the kernels of these only
  --only LIST     kernels, balance, tokens (default all)
  --node MAJOR    22, 24 or 26 (default 24, whose counts the budget holds)
  --update        write the counts into the budget
  --llama-cpp     count llama.cpp's own loops again, into tools/arm/llama-cpp.json: installs its library and a compiler
  --json          one JSON document on standard output
`;

const PARTS = /** @type {const} */ (['kernels', 'balance', 'tokens']);
/** The Node that the budget is for. */
export const BUDGET_NODE = '24';
const NODES = ['22', '24', '26'];

/**
 * @typedef {object} Options
 * @property {import('./plan.mjs').Cpu[]} cpus
 * @property {string[] | undefined} formats undefined: all
 * @property {('kernels' | 'balance' | 'tokens')[]} parts
 * @property {string} nodeMajor
 * @property {boolean} update
 * @property {boolean} llamaCpp
 * @property {boolean} json
 * @property {boolean} help
 */

/** @param {string[]} args @param {readonly string[]} formats all there are @returns {Options} */
export function parseOptions(args, formats) {
  const values = parse(args, {
    cpu: TEXT,
    format: TEXT,
    only: TEXT,
    node: TEXT,
    update: FLAG,
    'llama-cpp': FLAG,
    json: FLAG,
  });
  const options = {
    cpus: /** @type {import('./plan.mjs').Cpu[]} */ (someOf('--cpu', values.cpu, Object.keys(CPUS))),
    formats: values.format === undefined ? undefined : someOf('--format', values.format, formats),
    parts: /** @type {Options['parts']} */ (someOf('--only', values.only, PARTS)),
    nodeMajor: someOf('--node', values.node ?? BUDGET_NODE, NODES)[0] ?? BUDGET_NODE,
    update: values.update ?? false,
    llamaCpp: values['llama-cpp'] ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
  if (options.update && options.nodeMajor !== BUDGET_NODE) {
    throw new UsageError(`--update: the budget holds counts of Node ${BUDGET_NODE}`);
  }
  return options;
}
