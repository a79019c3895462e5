/**
 * Compilations, one after the other, in the thread that compile.ts starts. The compiler sees two folders that exist only here: `work`
 * with the kernel, and `kit` with the lab's files; whatever else a source asks for is not there. Options are ours: no
 * asconfig.json and no transform of a learner is ever read.
 */
import { parentPort } from 'node:worker_threads';
import { pathToFileURL } from 'node:url';
import { explain } from './explain.ts';
import { STATIC_BASE } from '../runner/memory.ts';

export interface CompileRequest {
  /** File name of the kernel, such as `03-simd.ts`. */
  name: string;
  source: string;
  /** The kit: file name -> text. */
  kit: Record<string, string>;
  /** Path of AssemblyScript's asc.js. */
  compiler: string;
}

export interface Diagnostic {
  file: string;
  line: number;
  column: number;
  message: string;
  explanation?: string;
}

export type CompileReply =
  { wasm: Uint8Array<ArrayBuffer>; text: string } | { diagnostics: Diagnostic[] } | { failure: string };

/** What of asc's programming interface is used here. */
interface Range {
  start: number;
  source: { normalizedPath: string };
}
interface AscDiagnostic {
  code: number;
  category: number;
  message: string;
  range: Range | null;
}
interface AscModule {
  main(
    argv: string[],
    options: {
      readFile(name: string): string | null;
      writeFile(name: string, contents: Uint8Array | string): void;
      listFiles(): string[];
      reportDiagnostic(diagnostic: AscDiagnostic): void;
    },
  ): Promise<{ error: Error | null }>;
}

const ERROR = 3;

const OPTIONS = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '0', '--noAssert', '--runtime', 'stub'],
  ...['--enable', 'simd,relaxed-simd,threads,bulk-memory'],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  ...['--memoryBase', String(STATIC_BASE), '--outFile', 'kernel.wasm', '--textFile', 'kernel.wat'],
];

async function compile({ name, source, kit, compiler }: CompileRequest): Promise<CompileReply> {
  const asc = (await import(pathToFileURL(compiler).href)) as AscModule;
  const files = new Map<string, string>([[`work/${name}`, source]]);
  for (const [file, text] of Object.entries(kit)) files.set(`kit/${file}`, text);
  const written = new Map<string, Uint8Array | string>();
  const diagnostics: Diagnostic[] = [];
  const { error } = await asc.main([`work/${name}`, ...OPTIONS], {
    readFile: (path) => files.get(path.replace(/^\.\//, '')) ?? null,
    writeFile: (path, contents) => written.set(path, contents),
    listFiles: () => [],
    reportDiagnostic: (diagnostic) => {
      if (diagnostic.category === ERROR) diagnostics.push(describe(diagnostic, files));
    },
  });
  const wasm = written.get('kernel.wasm');
  if (diagnostics.length > 0) return { diagnostics };
  if (error || !(wasm instanceof Uint8Array)) return { failure: error?.message ?? 'there is no output' };
  return { wasm: new Uint8Array(wasm), text: String(written.get('kernel.wat')) };
}

function describe({ code, message, range }: AscDiagnostic, files: ReadonlyMap<string, string>): Diagnostic {
  const explanation = explain(code);
  if (!range) return { file: '', line: 0, column: 0, message, explanation };
  const file = range.source.normalizedPath;
  const lines = (files.get(file) ?? '').slice(0, range.start).split('\n');
  return { file, line: lines.length, column: lines.at(-1)!.length + 1, message, explanation };
}

parentPort!.on('message', (request: CompileRequest) => {
  compile(request).then(
    (reply) => parentPort!.postMessage(reply),
    (error: unknown) =>
      parentPort!.postMessage({
        failure: error instanceof Error ? error.message : String(error),
      } satisfies CompileReply),
  );
});
