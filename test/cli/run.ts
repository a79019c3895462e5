/** Runs the built command line as a child process, with a store of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
export const MODEL = fileURLToPath(new URL('../../models/tiny-chat/tiny-chat.Q8_0.gguf', import.meta.url));
export const SMALLER = fileURLToPath(new URL('../../models/tiny-chat/tiny-chat.Q4_0.gguf', import.meta.url));

/** A folder that is gone after the tests of this file; also NIBBLE_HOME. */
export const scratch = mkdtempSync(join(tmpdir(), 'nibble-cli-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
  bytes: Buffer;
}

export interface RunOptions {
  /** Standard input; without it there is none. */
  input?: string | Uint8Array;
  env?: Record<string, string>;
  /** Leaves standard input open behind `input`, as a terminal does. */
  open?: boolean;
  /** Called with the child and all of its output so far. */
  onOutput?: (child: ChildProcess, stdout: string, stderr: string) => void;
}

/** Runs `nibble ARGS` to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: scratch,
    env: { ...process.env, NIBBLE_HOME: join(scratch, 'home'), NIBBLE_VARIANT: 'simd', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  if (options.input !== undefined) child.stdin.write(options.input);
  if (!options.open) child.stdin.end();
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    options.onOutput?.(child, Buffer.concat(out).toString(), stderr);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    options.onOutput?.(child, Buffer.concat(out).toString(), stderr);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const bytes = Buffer.concat(out);
      resolve({ code, stdout: bytes.toString(), stderr, bytes });
    });
  });
}

/** Runs a command that must succeed and print one JSON document and nothing else. */
export async function runJson<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  const { code, stdout, stderr } = await run([...args, '--json'], options);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

interface Golden {
  prompts: { name: string; user: string; text: string; ids: number[] }[];
  held_out_text: { text: string; ids: number[] };
  files: Record<
    string,
    { held_out_nll: { sum: number }; greedy: Record<string, { ids: number[]; text: string }> }
  >;
}

const GOLDEN = new URL('../fixtures/tiny-chat/golden.json', import.meta.url);
export const golden = JSON.parse(await readFile(GOLDEN, 'utf8')) as Golden;
