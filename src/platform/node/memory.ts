/** How much memory a model may take here: the machine's, or less inside a container. */
import { freemem, totalmem } from 'node:os';
import { ownFolders, readText, type Reader } from './cgroup.ts';

export interface MemoryLimit {
  /** Bytes of the machine or of the container, whichever is tighter at the moment. */
  total: number;
  /** Bytes that can be used without swapping, page cache that can be given back included. */
  available: number;
  source: 'cgroup' | 'system';
}

/** MemAvailable of /proc/meminfo in bytes. */
export function parseMemAvailable(text: string): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** A limit file of a control group: undefined for `max` and for version 1's "unlimited" (just under 2^63). */
export function parseLimit(text: string | undefined): number | undefined {
  const bytes = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : undefined;
  return bytes === undefined || bytes >= 2 ** 60 ? undefined : bytes;
}

/** A value of memory.stat, 0 where it is missing. */
export function parseStat(text: string | undefined, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1] ?? 0);
}

/**
 * The tightest of: the system, this process's control group, every parent of it.
 *
 * Without /proc (macOS, Windows) `available` is os.freemem(). On macOS that counts only pages that hold
 * nothing at all, and so understates by far what can be had: treat a small value there as a hint, not a limit.
 */
export function memoryLimit(read: Reader = readText): MemoryLimit {
  const available = parseMemAvailable(read('/proc/meminfo') ?? '');
  const limits: MemoryLimit[] = [{ total: totalmem(), available: available ?? freemem(), source: 'system' }];
  const folders = ownFolders('memory', read);
  for (const folder of folders[2]) {
    limits.push(...group(folder, ['memory.max', 'memory.high'], 'memory.current', 'inactive_file', read));
  }
  for (const folder of folders[1]) {
    limits.push(
      ...group(folder, ['memory.limit_in_bytes'], 'memory.usage_in_bytes', 'total_inactive_file', read),
    );
  }
  return limits.reduce((tightest, limit) => (limit.available < tightest.available ? limit : tightest));
}

/** The limit of one control group, if it has one. Beyond memory.high a group is slowed to a crawl: a limit too. */
function group(
  folder: string,
  limitFiles: string[],
  usageFile: string,
  reclaimable: string,
  read: Reader,
): MemoryLimit[] {
  const stat = read(`${folder}/memory.stat`);
  const limits = limitFiles.flatMap((name) => parseLimit(read(`${folder}/${name}`)) ?? []);
  // Version 1 tells here of parents that a container cannot see.
  const inherited = parseLimit(String(parseStat(stat, 'hierarchical_memory_limit')));
  if (inherited) limits.push(inherited);
  if (limits.length === 0) return [];
  const total = Math.min(...limits);
  const usage = parseLimit(read(`${folder}/${usageFile}`)) ?? 0;
  // A model file just read sits in the page cache and counts as usage until somebody needs the memory.
  const cache = parseStat(stat, reclaimable);
  const available = Math.min(total, Math.max(0, total - Math.max(0, usage - cache)));
  return [{ total, available, source: 'cgroup' }];
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: three digits, binary units. */
export function formatBytes(bytes: number): string {
  let unit = 0,
    value = bytes;
  // 1023.9 KiB would be printed as 1024 KiB.
  while (Math.abs(value) >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 ? 0 : Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}
