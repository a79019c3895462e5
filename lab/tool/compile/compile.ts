/** A kernel's source to a checked WebAssembly module, under a time limit, remembered by its content. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { LabError } from '../errors.ts';
import { KIT, PACKAGE, compiled } from '../paths.ts';
import type { CompileReply, CompileRequest, Diagnostic } from './asc.ts';
import { setV8Flags } from '../../../src/platform/node/v8-flags.ts';
import { inspectModule } from './inspect.ts';

export interface CompiledKernel {
  module: WebAssembly.Module;
  wasm: Uint8Array<ArrayBuffer>;
  /** It uses an atomic read-modify-write instruction. */
  atomic: boolean;
}

export interface CompileOptions {
  /** Folder to remember modules in; without it every call compiles. */
  cacheDir?: string;
  timeLimit?: number;
  /** With V8's optimizing compiler at once (default), or as V8 does it. */
  optimized?: boolean;
}

/** Longer than any honest kernel takes: a tenth of a second, after two for starting the compiler. */
const TIME_LIMIT_MS = 30_000;
const MOST_SOURCE_BYTES = 2 ** 20;

/**
 * Compiles the kernel in a file.
 *
 * @throws LabError: ERR_LAB_FILE, ERR_LAB_COMPILE (with file, line and an explanation), ERR_LAB_MODULE,
 *   ERR_LAB_TIME, ERR_NO_ASSEMBLYSCRIPT
 */
export async function compileFile(file: string, options: CompileOptions = {}): Promise<CompiledKernel> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (error) {
    throw new LabError('ERR_LAB_FILE', `cannot read ${file}: run "nibble lab start STAGE" first`, {
      cause: error,
    });
  }
  return compileSource(source, file, options);
}

/** One at a time: V8's flags, which compileOptimized sets for a moment, are those of the whole process. */
let last: Promise<unknown> = Promise.resolve();

/** The same for text; `file` names it in messages. */
export function compileSource(
  source: string,
  file: string,
  options: CompileOptions = {},
): Promise<CompiledKernel> {
  const result = last.then(() => compileNow(source, file, options));
  last = result.catch(() => undefined);
  return result;
}

async function compileNow(
  source: string,
  file: string,
  { cacheDir, timeLimit = TIME_LIMIT_MS, optimized = true }: CompileOptions,
): Promise<CompiledKernel> {
  if (source.length > MOST_SOURCE_BYTES) {
    throw new LabError('ERR_LAB_COMPILE', `${file} is larger than 1 MiB: no kernel needs that`);
  }
  setV8Flags();
  const compiler = findCompiler();
  const request: CompileRequest = { name: basename(file), source, kit: readKit(), compiler };
  const cached = cacheDir && join(cacheDir, `${keyOf(request)}.wasm`);
  if (cached && existsSync(cached)) {
    const wasm = new Uint8Array(await readFile(cached));
    return { module: inspectModule(wasm, file, optimized), wasm, atomic: existsSync(`${cached}.atomic`) };
  }
  const reply = await compileInThread(request, timeLimit, file);
  if ('failure' in reply) throw new LabError('ERR_LAB_COMPILE', `${file} does not compile: ${reply.failure}`);
  if ('diagnostics' in reply) throw compileError(file, reply.diagnostics);
  const module = inspectModule(reply.wasm, file, optimized);
  const kernel = { module, wasm: reply.wasm, atomic: /\.atomic\.rmw/.test(reply.text) };
  if (cached) await remember(cached, kernel);
  return kernel;
}

async function remember(path: string, { wasm, atomic }: CompiledKernel): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  if (atomic) await writeFile(`${path}.atomic`, '');
  await writeFile(`${path}.${process.pid}`, wasm);
  await rename(`${path}.${process.pid}`, path);
}

function readKit(): Record<string, string> {
  const names = readdirSync(KIT).filter((name) => name.endsWith('.ts'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(KIT, name), 'utf8')]));
}

function keyOf({ source, kit, compiler }: CompileRequest): string {
  const version = readFileSync(join(compiler, '..', '..', 'package.json'), 'utf8');
  return createHash('sha256')
    .update(JSON.stringify([source, kit, version]))
    .digest('hex')
    .slice(0, 32);
}

/** AssemblyScript is large and only the lab needs it: it is asked for by name. */
function findCompiler(): string {
  const places = [PACKAGE, join(PACKAGE, '..', '..'), process.cwd()];
  const found = places
    .map((place) => join(place, 'node_modules', 'assemblyscript', 'dist', 'asc.js'))
    .find((path) => existsSync(path));
  if (found) return found;
  throw new LabError(
    'ERR_NO_ASSEMBLYSCRIPT',
    'the lab compiles kernels with AssemblyScript, which is not installed: npm install assemblyscript@0.28',
  );
}

/** The compiler takes two seconds to start and a tenth for a kernel: it is kept, and ends with the process. */
let thread: Worker | undefined;

function startThread(): Worker {
  const started = new Worker(compiled('compile/asc'), {
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
    // When it breaks down it prints a page about itself: the message says what there is to say.
    stdout: true,
    stderr: true,
  });
  started.unref();
  return started;
}

async function compileInThread(request: CompileRequest, limit: number, file: string): Promise<CompileReply> {
  const worker = (thread ??= startThread());
  // A pending message does not keep the process alive, but this timer does.
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), limit);
  const broken = once(worker, 'error', { signal: over.signal }).then(([error]) => {
    const message = (error as Error).message;
    throw new LabError('ERR_LAB_COMPILE', `${file}: the compiler broke down: ${message}`, { cause: error });
  });
  broken.catch(() => undefined);
  try {
    const answered = once(worker, 'message', { signal: over.signal }) as Promise<[CompileReply]>;
    worker.postMessage(request);
    return (await Promise.race([answered, broken]))[0];
  } catch (error) {
    thread = undefined;
    await worker.terminate();
    if (!over.signal.aborted) throw error;
    throw new LabError('ERR_LAB_TIME', `${file}: the compiler did not finish within ${limit / 1000} s`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** At most so many of the compiler's messages are shown: the first one is usually the cause of the others. */
const SHOWN = 5;

function compileError(file: string, diagnostics: readonly Diagnostic[]): LabError {
  const lines = diagnostics.slice(0, SHOWN).map((one) => {
    const place =
      one.file === ''
        ? file
        : `${one.file.startsWith('work/') ? file : `lab/${one.file}`}:${one.line}:${one.column}`;
    return `${place}: ${one.message}${one.explanation ? ` (${one.explanation})` : ''}`;
  });
  if (diagnostics.length > SHOWN) lines.push(`and ${diagnostics.length - SHOWN} more`);
  return new LabError('ERR_LAB_COMPILE', lines.join('\n'));
}
