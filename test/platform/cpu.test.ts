import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  cpuFlags,
  cpuModel,
  cpuQuota,
  defaultThreads,
  parseCfs,
  parseCpuInfo,
  parseCpuList,
  parseCpuMax,
  physicalCores,
} from '../../src/platform/node/cpu.ts';
import {
  BIG_LITTLE,
  DOCKER_V1,
  DOCKER_V2,
  GRAVITON_2,
  RASPBERRY_PI_4,
  SYSTEMD_V2,
  reader,
  x86,
} from './recorded.ts';

const cpuinfo = (text: string) => ({ '/proc/cpuinfo': text });

describe('/proc/cpuinfo', () => {
  test('Raspberry Pi 4: named by its cores, whatever follows the processors', () => {
    const info = parseCpuInfo(RASPBERRY_PI_4);
    expect(info.model).toBe('Cortex-A72');
    expect(info.processors.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect(info.flags).toContain('asimd');
    expect(info.flags).not.toContain('asimddp');
  });

  test('Graviton 2 has the dot product', () => {
    const read = reader(cpuinfo(GRAVITON_2));
    expect(cpuModel(read)).toBe('Neoverse-N1');
    expect(cpuFlags(read)).toContain('asimddp');
    expect(physicalCores(read)).toBe(2);
  });

  test('big and little cores are both named', () => {
    expect(parseCpuInfo(BIG_LITTLE).model).toBe('Cortex-A55 + Cortex-A76');
    expect(physicalCores(reader(cpuinfo(BIG_LITTLE)))).toBe(4);
  });

  test('unknown ARM cores are told by number', () => {
    const apple = BIG_LITTLE.replaceAll('0x41', '0x61');
    expect(parseCpuInfo(apple).model).toMatch(/^ARM implementer 0x61 part 0xd05 \+ /);
  });

  test('x86: hyperthreads are not cores, sockets are told apart', () => {
    const info = parseCpuInfo(x86(2, 4));
    expect(info.model).toBe('Intel(R) Xeon(R) CPU @ 2.20GHz');
    expect(info.processors).toHaveLength(16);
    expect(info.flags).toEqual(['fpu', 'vme', 'sse4_1', 'avx2', 'avx_vnni']);
    expect(physicalCores(reader(cpuinfo(x86(2, 4))))).toBe(8);
  });

  test('siblings in /sys count where /proc/cpuinfo says nothing', () => {
    const siblings = Object.fromEntries(
      [0, 1, 2, 3].map((id) => [
        `/sys/devices/system/cpu/cpu${id}/topology/thread_siblings_list`,
        id < 2 ? '0-1\n' : '2-3\n',
      ]),
    );
    expect(physicalCores(reader(cpuinfo(RASPBERRY_PI_4), siblings))).toBe(2);
  });

  test('nothing to read: still a number, a name, no flags', () => {
    expect(physicalCores(reader())).toBeGreaterThanOrEqual(1);
    expect(physicalCores(reader())).toBeLessThanOrEqual(availableParallelism());
    expect(cpuModel(reader())).not.toBe('');
    expect(cpuFlags(reader())).toEqual([]);
    expect(parseCpuInfo('garbage\n\n: :\nprocessor : x')).toEqual({ flags: [], processors: [] });
  });
});

test('lists of CPU numbers', () => {
  expect([...parseCpuList('0-3,8,10-11\n')]).toEqual([0, 1, 2, 3, 8, 10, 11]);
  expect([...parseCpuList('')]).toEqual([]);
  expect(parseCpuList('0-4000000000').size).toBe(65536);
});

describe('quota', () => {
  test.each([
    ['150000 100000\n', 1.5],
    ['max 100000\n', undefined],
    ['50000', undefined],
    ['0 0', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('cpu.max %j', (text, cpus) => expect(parseCpuMax(text)).toBe(cpus));

  test.each([
    ['200000\n', '100000\n', 2],
    ['-1\n', '100000\n', undefined],
    ['-1', undefined, undefined],
    [undefined, undefined, undefined],
  ])('cfs quota %j of %j', (quota, period, cpus) => expect(parseCfs(quota, period)).toBe(cpus));

  test('version 2, in a container', () => {
    expect(cpuQuota(reader(DOCKER_V2, { '/sys/fs/cgroup/cpu.max': '250000 100000\n' }))).toBe(2.5);
  });

  test('version 2: the tightest of the group and its parents', () => {
    const folder = '/sys/fs/cgroup/system.slice';
    const service = { [`${folder}/my\\x2dchat.service/cpu.max`]: 'max 100000' };
    expect(cpuQuota(reader(SYSTEMD_V2, service))).toBeUndefined();
    expect(cpuQuota(reader(SYSTEMD_V2, service, { [`${folder}/cpu.max`]: '300000 100000' }))).toBe(3);
  });

  test('version 1, in a container', () => {
    const folder = '/sys/fs/cgroup/cpu,cpuacct';
    const files = { [`${folder}/cpu.cfs_quota_us`]: '120000\n', [`${folder}/cpu.cfs_period_us`]: '100000\n' };
    expect(cpuQuota(reader(DOCKER_V1, files))).toBe(1.2);
  });
});

describe('default threads', () => {
  const logical = availableParallelism();

  test('physical cores, no more than this process may use', () => {
    expect(defaultThreads(reader(cpuinfo(x86(1, 64))))).toBe(Math.min(64, logical));
    expect(defaultThreads()).toBeGreaterThanOrEqual(1);
    expect(defaultThreads()).toBeLessThanOrEqual(logical);
    console.log(`here: ${defaultThreads()} of ${physicalCores()} cores, ${cpuModel()}, quota ${cpuQuota()}`);
  });

  test('two hyperthreads of one core are one thread', () => {
    const status = { '/proc/self/status': 'Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t0,8\n' };
    expect(defaultThreads(reader(cpuinfo(x86(1, 8)), status))).toBe(1);
  });

  test.each([
    ['50000 100000', 1],
    ['190000 100000', 1],
    ['200000 100000', Math.min(2, logical)],
  ])('quota %s', (quota, threads) => {
    const read = reader(cpuinfo(x86(1, 64)), DOCKER_V2, { '/sys/fs/cgroup/cpu.max': quota });
    expect(defaultThreads(read)).toBe(threads);
  });
});
