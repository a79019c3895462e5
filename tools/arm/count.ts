/** Starts programs on emulated ARM64 processors and reads what the counting plugin says: tools/arm/README.md. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PACKAGE_ROOT } from '../../src/platform/node/package-root.ts';
import { NOTHING } from './guest.ts';

/** Instructions by class: `total` and those of instructions.c. */
export type Counts = Record<string, number>;

/** The emulator cannot be had on this machine. */
export class NoEmulatorError extends Error {}

/** Path of a program of tools/arm. */
export function armTool(name: string): string {
  return fileURLToPath(new URL(`tools/arm/${name}`, PACKAGE_ROOT));
}

/** A setup script's exit code for "cannot be done here". */
const CANNOT = 3;

/**
 * Installs what is missing to count on emulated processors (minutes, the first time).
 *
 * @throws NoEmulatorError where there is no emulation
 */
export async function prepareCounting({
  nodeMajor,
  llvm = false,
}: {
  nodeMajor: string;
  llvm?: boolean;
}): Promise<void> {
  if (process.platform !== 'linux' || process.arch === 'arm64') {
    throw new NoEmulatorError('counting needs an emulator on an x86 Linux');
  }
  const scripts = [['setup.sh', ...(llvm ? ['kernel'] : [])], ['qemu-plugin.sh']] as const;
  for (const [script, ...args] of scripts) {
    const { code, errors } = await run('bash', [armTool(script), ...args], { NODE_MAJORS: nodeMajor });
    const reason = errors.trim().split('\n').at(-1);
    if (code === CANNOT) throw new NoEmulatorError(reason);
    if (code !== 0) throw new Error(`tools/arm/${script}: ${reason}`);
  }
}

/** Counts of a script that emulated Node runs; by tag, without what a mark costs. */
export async function countNode(
  cpu: string,
  script: string,
  { nodeMajor, args, env = {} }: { nodeMajor: string; args: readonly string[]; env?: Record<string, string> },
): Promise<Map<string, Counts>> {
  const environment = { NODE_MAJOR: nodeMajor, QEMU_CPU: cpu, ...env };
  return counted(script, 'bash', [armTool('tokens.sh'), script, ...args], environment);
}

/** Counts of a program that was compiled for ARM64. */
export async function countBinary(cpu: string, command: readonly string[]): Promise<Map<string, Counts>> {
  const cache = fileURLToPath(new URL('.cache/arm/qemu/', PACKAGE_ROOT));
  if (!existsSync(`${cache}qemu-aarch64`)) throw new Error('the emulator is not built');
  const libraries = process.env['QEMU_LD_PREFIX'] ?? '/usr/aarch64-linux-gnu';
  const qemu = ['-plugin', `${cache}instructions.so`, '-cpu', cpu, '-L', libraries];
  return counted(command[0] ?? '', `${cache}qemu-aarch64`, [...qemu, ...command], {});
}

async function counted(
  what: string,
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Map<string, Counts>> {
  const { code, errors } = await run(command, args, env);
  if (code !== 0) throw new Error(`${what} failed under emulation:\n${errors.trim().slice(-2000)}`);
  const counts = parseCounts(errors);
  if (counts.size === 0) throw new Error(`${what}: nothing was counted`);
  return counts;
}

/**
 * Lines as `@@icount TAG total=COUNT(+SINCE THE LAST TAG) sdot=...`. Of a tag that comes several times, the least counts.
 * Returns counts since the last tag, less those of the least NOTHING.
 */
export function parseCounts(text: string): Map<string, Counts> {
  const found = new Map<string, Counts>();
  for (const [, tag = '', fields = ''] of text.matchAll(/^@@icount (\S+) (total=.*)$/gm)) {
    if (tag === '-' || tag === 'exit') continue;
    const counts: Counts = Object.fromEntries(
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

function run(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (errors += part));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, errors }));
  });
}
