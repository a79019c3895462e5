// @ts-check
/** Starts programs on emulated processors and reads what the counting plugin says. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NOTHING } from './plan.mjs';

/** Instructions by class: those of tools/arm/instructions.c. @typedef {Record<string, number>} Counts */

/** The emulator cannot be had on this machine. */
export class NoEmulatorError extends Error {}

const tool = (/** @type {string} */ name) =>
  fileURLToPath(new URL(`../../tools/arm/${name}`, import.meta.url));
const CANNOT = 3;

/** Throws where there is no emulation; installs what is missing. @param {{ nodeMajor: string }} options */
export async function prepare({ nodeMajor }) {
  if (process.platform !== 'linux' || process.arch === 'arm64') {
    throw new NoEmulatorError('counting needs an emulator on an x86 Linux');
  }
  for (const script of ['setup.sh', 'qemu-plugin.sh']) {
    const { code, errors } = await run('bash', [tool(script)], { NODE_MAJORS: nodeMajor });
    const reason = errors.trim().split('\n').at(-1);
    if (code === CANNOT) throw new NoEmulatorError(reason);
    if (code !== 0) throw new Error(`tools/arm/${script}: ${reason}`);
  }
}

/**
 * @param {string} cpu @param {string} script beside this file
 * @param {{ nodeMajor: string, args: string[], env?: Record<string, string> }} options
 * @returns {Promise<Map<string, Counts>>} by tag, without what a mark costs
 */
export async function countNode(cpu, script, { nodeMajor, args, env = {} }) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const environment = { NODE_MAJOR: nodeMajor, QEMU_CPU: cpu, ...env };
  return counted(script, 'bash', [tool('tokens.sh'), path, ...args], environment);
}

/**
 * A program that was compiled for ARM64.
 *
 * @param {string} cpu @param {string[]} command
 * @returns {Promise<Map<string, Counts>>}
 */
export async function countBinary(cpu, command) {
  const cache = fileURLToPath(new URL('../../.cache/arm/qemu/', import.meta.url));
  if (!existsSync(`${cache}qemu-aarch64`)) throw new Error('the emulator is not built');
  const libraries = process.env['QEMU_LD_PREFIX'] ?? '/usr/aarch64-linux-gnu';
  const qemu = ['-plugin', `${cache}instructions.so`, '-cpu', cpu, '-L', libraries];
  return counted(command[0] ?? '', `${cache}qemu-aarch64`, [...qemu, ...command], {});
}

/** @param {string} what @param {string} command @param {string[]} args @param {Record<string, string>} env */
async function counted(what, command, args, env) {
  const { code, errors } = await run(command, args, env);
  if (code !== 0) throw new Error(`${what} failed under emulation:\n${errors.trim().slice(-2000)}`);
  const counts = parseCounts(errors);
  if (counts.size === 0) throw new Error(`${what}: nothing was counted`);
  return counts;
}

/**
 * Lines as `@@icount TAG total=COUNT(+SINCE THE LAST TAG) sdot=...`. Of a tag that comes several times, the least counts.
 *
 * @param {string} text
 * @returns {Map<string, Counts>} counts since the last tag, less those of the least NOTHING
 */
export function parseCounts(text) {
  /** @type {Map<string, Counts>} */
  const found = new Map();
  for (const [, tag = '', fields = ''] of text.matchAll(/^@@icount (\S+) (total=.*)$/gm)) {
    if (tag === '-' || tag === 'exit') continue;
    const counts = Object.fromEntries(
      [...fields.matchAll(/(\w+)=\d+\(\+(\d+)\)/g)].map(([, name, count]) => [name ?? '', Number(count)]),
    );
    const least = found.get(tag)?.['total'] ?? Infinity;
    if ((counts['total'] ?? NaN) < least) found.set(tag, counts);
  }
  const nothing = found.get(NOTHING) ?? {};
  found.delete(NOTHING);
  for (const counts of found.values()) {
    for (const name of Object.keys(counts)) counts[name] = (counts[name] ?? 0) - (nothing[name] ?? 0);
  }
  return found;
}

/** @param {string} command @param {string[]} args @param {Record<string, string>} env */
function run(command, args, env) {
  return /** @type {Promise<{ code: number | null, errors: string }>} */ (
    new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let errors = '';
      child.stderr.setEncoding('utf8').on('data', (part) => (errors += part));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, errors }));
    })
  );
}
