// @ts-check
/**
 * `npm run bench:quantize`: `nibble quantize` against llama.cpp's quantizer, in turn on the same file. Both times are of
 * the work alone, without the start of Node or Python, but with reading and writing.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeMachine } from '../machine.mjs';
import { count, FLAG, list, parse, TEXT, UsageError } from '../options.mjs';
import { findModel } from '../peers/model.mjs';
import { lastLine, PEERS, prepare, PYTHON } from '../peers/peers.mjs';
import { markdown } from '../table.mjs';

const HELP = `usage: npm run bench:quantize -- [options]
  -m, --model FILE    what is quantized; default: a random model of 160 million weights in F16
  --types LIST        default: Q4_0,Q8_0,Q6_K,Q4_K_S
  --rounds N          the best counts; default: 3
  -t, --threads N     default: all processors
  --offline           install nothing
`;
const CACHE = fileURLToPath(new URL('../../.cache/peers', import.meta.url));
const NIBBLE = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const LLAMA_CPP = fileURLToPath(new URL('llama_cpp.py', import.meta.url));
const run = promisify(execFile);

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
const signal = interrupt.signal;
/** @param {string} line */
const say = (line) => process.stderr.write(`${line}\n`);

try {
  const options = parse(process.argv.slice(2), {
    model: { ...TEXT, short: 'm' },
    types: TEXT,
    rounds: TEXT,
    threads: { ...TEXT, short: 't' },
    offline: FLAG,
  });
  if (options.help) process.stdout.write(HELP);
  else {
    await main({
      model: options.model,
      types: list(options.types ?? 'Q4_0,Q8_0,Q6_K,Q4_K_S').map((type) => type.toUpperCase()),
      rounds: count('--rounds', options.rounds ?? '3'),
      threads: count('--threads', options.threads ?? `${availableParallelism()}`),
      offline: options.offline ?? false,
    });
  }
} catch (error) {
  if (!signal.aborted) say(`bench:quantize: ${lastLine(error)}`);
  process.exitCode = signal.aborted ? 130 : error instanceof UsageError ? 2 : 1;
}

/** @param {{ model?: string, types: string[], rounds: number, threads: number, offline: boolean }} options */
async function main({ model, types, rounds, threads, offline }) {
  const host = { cache: CACHE, offline, signal, say };
  /** @type {typeof import('../../src/gguf/file-types.ts')} */
  const { fileTypeByName } = await import(new URL('../../dist/src/gguf/file-types.js', import.meta.url).href);
  const numbers = types.map((type) => fileTypeByName(type)?.id);
  const unknown = types[numbers.indexOf(undefined)];
  if (unknown !== undefined) throw new UsageError(`--types: ${unknown} is no type of files`);
  const peer = PEERS.find(({ name }) => name === 'llama-cpp-python');
  const missing = peer && (await prepare(peer, host));
  if (missing !== undefined) say(`without llama.cpp: ${missing}`);
  const { paths, title } = await findModel(model === undefined ? { random: 'medium:F16' } : { model }, host);
  const [source = ''] = paths;
  const folder = await mkdtemp(join(tmpdir(), 'nibble-bench-'));
  try {
    const target = join(folder, 'out.gguf');
    /** @param {string} command @param {string[]} args */
    const output = async (command, args) => (await run(command, args, { signal, maxBuffer: 2 ** 26 })).stdout;
    /** @param {string} type */
    const nibble = async (type) => {
      const args = ['quantize', source, target, type, '--allow-requantize', '--json', '-t', `${threads}`];
      return Number(JSON.parse(await output(process.execPath, [NIBBLE, ...args])).ms);
    };
    /** @param {number | undefined} number */
    const llamaCpp = async (number) => {
      const args = [LLAMA_CPP, join(CACHE, 'py'), source, target, `${number}`, `${threads}`];
      return Number(await output(PYTHON, args));
    };
    const rows = [];
    for (const [i, type] of types.entries()) {
      let [ours, theirs] = [Infinity, Infinity];
      for (let round = 0; round < rounds; round++) {
        ours = Math.min(ours, await nibble(type));
        if (missing === undefined) theirs = Math.min(theirs, await llamaCpp(numbers[i]));
      }
      const compared =
        missing === undefined ? [seconds(theirs), `${(theirs / ours).toFixed(1)} x`] : ['-', '-'];
      rows.push([type, seconds(ours), ...compared]);
    }
    process.stdout.write(`${title}, ${threads} threads, ${describeMachine()}\n\n`);
    process.stdout.write(markdown(['type', 'nibble', 'llama.cpp', 'nibble is'], rows, [0]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
