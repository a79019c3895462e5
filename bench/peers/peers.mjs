// @ts-check
/**
 * The other engines: how each is installed into the cache folder and how its measuring process is started.
 * None is a dependency of nibble.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromiumPath } from './engines/wllama.mjs';

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {(cache: string) => boolean} installed
 * @property {() => string | undefined} [needs] what this machine lacks that is not installed here
 * @property {(cache: string) => [command: string, args: string[]]} install
 * @property {(cache: string) => [command: string, args: string[]]} command the measuring process; the job is
 *   added as its last argument
 */

const NODE_LLAMA_CPP = '3.22.1';
const WLLAMA = '3.8.1';
const TRANSFORMERS = '4.3.1';

/** The package with the prebuilt CPU binary: the others (CUDA, Vulkan) are 600 MB. */
function binaryPackage() {
  const { platform, arch } = process;
  const system = platform === 'win32' ? 'win' : platform === 'darwin' ? 'mac' : platform;
  return `@node-llama-cpp/${system}-${arch === 'arm' ? 'armv7l' : arch}${platform === 'darwin' && arch === 'arm64' ? '-metal' : ''}`;
}

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));
export const PYTHON = process.platform === 'win32' ? 'python' : 'python3';

/** @returns {[string, string[]]} */
const nodeChild = () => [process.execPath, [CHILD]];

/** @type {Peer} */
export const NIBBLE = {
  name: 'nibble',
  installed: () => existsSync(new URL('../../dist/src/platform/node/load-model.js', import.meta.url)),
  install: () => ['npm', ['run', 'build']],
  command: nodeChild,
};

/** @type {readonly Peer[]} */
export const PEERS = [
  {
    name: 'node-llama-cpp',
    installed: (cache) =>
      existsSync(join(cache, 'node-llama-cpp', 'node_modules', 'node-llama-cpp')) &&
      existsSync(join(cache, 'node-llama-cpp', 'node_modules', ...binaryPackage().split('/'))),
    install: (cache) => [
      'npm',
      [
        ...['install', '--prefix', join(cache, 'node-llama-cpp'), '--no-audit', '--no-fund'],
        ...['--ignore-scripts', '--omit=optional', '--save-exact'],
        ...[`node-llama-cpp@${NODE_LLAMA_CPP}`, `${binaryPackage()}@${NODE_LLAMA_CPP}`],
      ],
    ],
    command: nodeChild,
  },
  {
    name: 'wllama',
    installed: (cache) =>
      existsSync(chromiumPath()) && existsSync(join(cache, 'wllama', 'node_modules', '@wllama', 'wllama')),
    install: (cache) => [
      'npm',
      [
        ...['install', '--prefix', join(cache, 'wllama'), '--no-audit', '--no-fund', '--save-exact'],
        ...[`@wllama/wllama@${WLLAMA}`, 'playwright-core'],
      ],
    ],
    needs: () =>
      existsSync(chromiumPath())
        ? undefined
        : `there is no ${chromiumPath()}: install Debian's package chromium, or name another in NIBBLE_CHROMIUM`,
    command: nodeChild,
  },
  {
    name: 'transformers.js',
    installed: (cache) =>
      existsSync(join(cache, 'transformers.js', 'node_modules', '@huggingface', 'transformers')),
    install: (cache) => [
      'npm',
      [
        ...['install', '--prefix', join(cache, 'transformers.js'), '--no-audit', '--no-fund'],
        // The CPU library lies in the package; its script would fetch one for GPUs.
        ...['--ignore-scripts', '--save-exact', `@huggingface/transformers@${TRANSFORMERS}`],
      ],
    ],
    command: nodeChild,
  },
  {
    name: 'llama-cpp-python',
    installed: (cache) => existsSync(join(cache, 'py', 'llama_cpp')),
    install: (cache) => [
      PYTHON,
      ['-m', 'pip', 'install', '--quiet', '--target', join(cache, 'py'), 'llama-cpp-python'],
    ],
    command: (cache) => [
      PYTHON,
      [fileURLToPath(new URL('engines/llama_cpp_python.py', import.meta.url)), join(cache, 'py')],
    ],
  },
];

/**
 * Installs a peer where it is not yet. Gives back why it cannot be used, or undefined.
 *
 * @param {Peer} peer
 * @param {{ cache: string, offline: boolean, signal: AbortSignal, say: (line: string) => void }} options
 * @returns {Promise<string | undefined>}
 */
export async function prepare(peer, { cache, offline, signal, say }) {
  if (peer.installed(cache)) return undefined;
  const lacking = peer.needs?.();
  if (lacking !== undefined) return lacking;
  if (offline) return 'it is not installed, and --offline';
  mkdirSync(cache, { recursive: true });
  const [command, args] = peer.install(cache);
  say(`installing ${peer.name} ...`);
  try {
    await run(command, args, { signal });
  } catch (error) {
    return `${command} could not install it: ${lastLine(error)}`;
  }
  return peer.installed(cache) ? undefined : 'there is no build of it for this machine';
}

/**
 * One measurement in a process of its own.
 *
 * @param {Peer} peer
 * @param {Omit<import('./plan.mjs').Job, 'engine'>} job
 * @param {{ cache: string, signal: AbortSignal }} options
 * @returns {Promise<import('./plan.mjs').Result>}
 */
export async function measureOnce(peer, job, { cache, signal }) {
  const [command, args] = peer.command(cache);
  const argument = JSON.stringify({ ...job, engine: peer.name, cache });
  const output = await run(command, [...args, argument], { signal });
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/**
 * Standard output of a command; an Error with the end of its standard error where it fails.
 *
 * @param {string} command @param {string[]} args @param {{ signal: AbortSignal }} options
 * @returns {Promise<string>}
 */
function run(command, args, { signal }) {
  // On Windows npm is a script, which only a shell can start.
  const shell = process.platform === 'win32' && command === 'npm';
  const child = spawn(command, args, { signal, shell, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors = (errors + text).slice(-4000)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      if (code === 0) resolve(output);
      else reject(new Error(errors.trim() || `${command} ended with ${killedBy ?? `code ${code}`}`));
    });
  });
}

/** The line of a failure that says most: the last one that reads as an error, or the last. @param {unknown} error */
export function lastLine(error) {
  const lines = /** @type {Error} */ (error).message.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'unknown reason').trim();
}
