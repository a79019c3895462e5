/** The CPU as this process sees it: model, features, and how many threads are worth having. */
import { arch, availableParallelism, cpus } from 'node:os';
import { ownFolders, readText, type Reader } from './cgroup.ts';

export interface CpuInfo {
  /** `AMD EPYC 9R14`, or core names such as `Cortex-A72` on ARM. */
  model?: string;
  flags: string[];
  /** Logical processors; `core` names the physical one where /proc/cpuinfo says so (x86). */
  processors: { id: number; core?: string }[];
}

/** ARM's own cores; the others (Apple, Qualcomm, ...) are reported by number. */
// prettier-ignore
const ARM_PARTS: Readonly<Record<string, string>> = {
  '0xd03': 'Cortex-A53', '0xd04': 'Cortex-A35', '0xd05': 'Cortex-A55', '0xd07': 'Cortex-A57',
  '0xd08': 'Cortex-A72', '0xd09': 'Cortex-A73', '0xd0a': 'Cortex-A75', '0xd0b': 'Cortex-A76',
  '0xd0c': 'Neoverse-N1', '0xd0d': 'Cortex-A77', '0xd40': 'Neoverse-V1', '0xd41': 'Cortex-A78',
  '0xd44': 'Cortex-X1', '0xd46': 'Cortex-A510', '0xd47': 'Cortex-A710', '0xd48': 'Cortex-X2',
  '0xd49': 'Neoverse-N2', '0xd4d': 'Cortex-A715', '0xd4e': 'Cortex-X3', '0xd4f': 'Neoverse-V2',
  '0xd80': 'Cortex-A520', '0xd81': 'Cortex-A720', '0xd83': 'Neoverse-V3', '0xd8e': 'Neoverse-N3',
};

/** /proc/cpuinfo of x86 and ARM. */
export function parseCpuInfo(text: string): CpuInfo {
  const info: CpuInfo = { flags: [], processors: [] };
  const cores = new Set<string>();
  for (const block of text.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    }
    const id = fields.get('processor');
    if (id === undefined || !/^\d+$/.test(id)) continue; // `Hardware`, `Model` at the end of a Raspberry Pi's
    const socket = fields.get('physical id'),
      core = fields.get('core id');
    info.processors.push({
      id: Number(id),
      core: socket !== undefined && core !== undefined ? `${socket}:${core}` : undefined,
    });
    const part = fields.get('CPU part');
    if (part) cores.add(armName(fields.get('CPU implementer') ?? '', part));
    else info.model ??= fields.get('model name');
    const flags = fields.get('flags') ?? fields.get('Features');
    if (info.flags.length === 0 && flags) info.flags = flags.split(/\s+/);
  }
  if (cores.size > 0) info.model = [...cores].join(' + '); // big and little ones
  return info;
}

function armName(implementer: string, part: string): string {
  const known = implementer === '0x41' ? ARM_PARTS[part] : undefined;
  return known ?? `ARM implementer ${implementer} part ${part}`;
}

/** The kernel's lists of CPU numbers: `0-3,8`. */
export function parseCpuList(text: string): Set<number> {
  const list = new Set<number>();
  for (const [, first, last] of text.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let id = Number(first); id <= Number(last ?? first) && list.size < 65536; id++) list.add(id);
  }
  return list;
}

/** cpu.max of version 2: `150000 100000` is 1.5 CPUs, `max 100000` no limit. */
export function parseCpuMax(text: string | undefined): number | undefined {
  const [quota, period] = text?.trim().split(/\s+/) ?? [];
  return ratio(quota, period);
}

/** Version 1: cpu.cfs_quota_us (-1: no limit) and cpu.cfs_period_us. */
export function parseCfs(quota: string | undefined, period: string | undefined): number | undefined {
  return ratio(quota?.trim(), period?.trim());
}

function ratio(quota = '', period = ''): number | undefined {
  const cpus = Number(quota || NaN) / Number(period || NaN);
  return cpus > 0 && Number.isFinite(cpus) ? cpus : undefined;
}

/** CPUs' worth of time that the control groups of this process allow; undefined without a limit. */
export function cpuQuota(read: Reader = readText): number | undefined {
  const folders = ownFolders('cpu', read);
  const quotas = [
    ...folders[2].map((folder) => parseCpuMax(read(`${folder}/cpu.max`))),
    ...folders[1].map((folder) =>
      parseCfs(read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`)),
    ),
  ].filter((quota) => quota !== undefined);
  return quotas.length > 0 ? Math.min(...quotas) : undefined;
}

/** Physical cores of the machine: hyperthreads of one core share the unit that does our arithmetic. */
export function physicalCores(read: Reader = readText): number {
  return countCores(read) ?? guessCores(availableParallelism());
}

/**
 * How many worker threads to start: physical cores this process may run on, within the container's quota.
 * A quota of 1.5 gives one thread: two would be stopped for part of every 0.1 s, and wait for each other.
 */
export function defaultThreads(read: Reader = readText): number {
  const logical = availableParallelism();
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  const cores = countCores(read, allowed ? parseCpuList(allowed) : undefined) ?? guessCores(logical);
  return Math.max(1, Math.floor(Math.min(cores, logical, cpuQuota(read) ?? Infinity)));
}

/** Distinct cores below the logical processors (of `allowed`, if given); undefined where it cannot be read. */
function countCores(read: Reader, allowed?: ReadonlySet<number>): number | undefined {
  const { processors } = parseCpuInfo(read('/proc/cpuinfo') ?? '');
  const usable = processors.filter(({ id }) => !allowed || allowed.has(id));
  if (usable.length === 0) return undefined;
  const names = usable.map(({ id, core }) => {
    if (core !== undefined) return core;
    const folder = `/sys/devices/system/cpu/cpu${id}/topology`;
    const siblings = read(`${folder}/core_cpus_list`) ?? read(`${folder}/thread_siblings_list`);
    return siblings?.trim() || `cpu ${id}`;
  });
  return new Set(names).size;
}

/** Without /proc: ARM cores of Macs and Windows machines have one thread each, x86 ones mostly two. */
function guessCores(logical: number): number {
  return arch() === 'x64' && logical > 2 ? Math.ceil(logical / 2) : logical;
}

/** What the CPU is called. */
export function cpuModel(read: Reader = readText): string {
  return (
    parseCpuInfo(read('/proc/cpuinfo') ?? '').model ?? cpus()[0]?.model.trim() ?? `unknown ${arch()} CPU`
  );
}

/** Instruction set extensions by Linux's names (`avx2`, `asimddp`, ...); empty where they cannot be read. */
export function cpuFlags(read: Reader = readText): string[] {
  return parseCpuInfo(read('/proc/cpuinfo') ?? '').flags;
}
