import { totalmem } from 'node:os';
import { describe, expect, test } from 'vitest';
import { groupFolders, parseMemberships, parseMounts } from '../../src/platform/node/cgroup.ts';
import { formatBytes, memoryLimit, parseLimit, parseMemAvailable } from '../../src/platform/node/memory.ts';
import { DOCKER_V1, DOCKER_V2, SYSTEMD_V2, reader } from './recorded.ts';

const MIB = 2 ** 20;
const MEMINFO = {
  '/proc/meminfo': `MemTotal:       32658720 kB\nMemFree:          120 kB\nMemAvailable:   16777216 kB\n`,
};
const UNLIMITED_V1 = '9223372036854771712\n';

test('the folders of a group and its parents', () => {
  const mounts = parseMounts(
    '1 2 0:3 /a /mnt/c\\040g rw shared:1 - cgroup2 cgroup2 rw\n1 2 0:3 / /tmp rw - tmpfs tmpfs rw\nrubbish\n',
  );
  const folders = (line: string) => groupFolders('memory', 2, parseMemberships(line), mounts);
  expect(folders('0::/a/b/c')).toEqual(['/mnt/c g/b/c', '/mnt/c g/b', '/mnt/c g']);
  expect(folders('0::/a')).toEqual(['/mnt/c g']);
  expect(folders('0::/elsewhere')).toEqual(['/mnt/c g']);
  expect(folders('0::/../sibling')).toEqual(['/mnt/c g']);
  expect(folders('5:memory:/a/b')).toEqual([]);
  expect(folders('')).toEqual([]);
});

test('limits', () => {
  expect(parseLimit('2147483648\n')).toBe(2 ** 31);
  for (const none of ['max\n', UNLIMITED_V1, '', '-1', undefined]) expect(parseLimit(none)).toBeUndefined();
  expect(parseMemAvailable(MEMINFO['/proc/meminfo'])).toBe(2 ** 34);
  expect(parseMemAvailable('MemFree: 1 kB')).toBeUndefined();
});

describe('memory limit', () => {
  test('without groups: the system', () => {
    expect(memoryLimit(reader(MEMINFO))).toEqual({ total: totalmem(), available: 2 ** 34, source: 'system' });
    const bare = memoryLimit(reader());
    expect(bare.source).toBe('system');
    expect(bare.available).toBeGreaterThan(0);
  });

  test('version 2: page cache that can be given back is available', () => {
    const files = {
      '/sys/fs/cgroup/memory.max': `${2048 * MIB}\n`,
      '/sys/fs/cgroup/memory.current': `${1500 * MIB}\n`,
      '/sys/fs/cgroup/memory.stat': `anon 1\nfile 2\nactive_file 7\ninactive_file ${1000 * MIB}\n`,
    };
    expect(memoryLimit(reader(MEMINFO, DOCKER_V2, files))).toEqual({
      total: 2048 * MIB,
      available: 1548 * MIB,
      source: 'cgroup',
    });
  });

  test('version 2: a parent is tighter; memory.high counts', () => {
    const slice = '/sys/fs/cgroup/system.slice',
      service = `${slice}/my\\x2dchat.service`;
    const files = {
      [`${service}/memory.max`]: 'max',
      [`${service}/memory.current`]: `${100 * MIB}`,
      [`${slice}/memory.max`]: `${4096 * MIB}`,
      [`${slice}/memory.high`]: `${1024 * MIB}`,
      [`${slice}/memory.current`]: `${900 * MIB}`,
    };
    const limit = memoryLimit(reader(MEMINFO, SYSTEMD_V2, files));
    expect(limit).toEqual({ total: 1024 * MIB, available: 124 * MIB, source: 'cgroup' });
  });

  test('version 1, and a limit of parents that cannot be seen', () => {
    const folder = '/sys/fs/cgroup/memory';
    const files = {
      [`${folder}/memory.limit_in_bytes`]: `${512 * MIB}\n`,
      [`${folder}/memory.usage_in_bytes`]: `${200 * MIB}\n`,
      [`${folder}/memory.stat`]: `inactive_file 0\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file ${50 * MIB}\n`,
    };
    const own = memoryLimit(reader(MEMINFO, DOCKER_V1, files));
    expect(own).toEqual({ total: 512 * MIB, available: 362 * MIB, source: 'cgroup' });
    const parents = {
      [`${folder}/memory.limit_in_bytes`]: UNLIMITED_V1,
      [`${folder}/memory.stat`]: `hierarchical_memory_limit ${256 * MIB}\ntotal_inactive_file 0\n`,
    };
    const inherited = memoryLimit(reader(MEMINFO, DOCKER_V1, files, parents));
    expect(inherited).toEqual({ total: 256 * MIB, available: 56 * MIB, source: 'cgroup' });
  });

  test('a full group has nothing left, never less', () => {
    const files = { '/sys/fs/cgroup/memory.max': '1000', '/sys/fs/cgroup/memory.current': '5000' };
    expect(memoryLimit(reader(MEMINFO, DOCKER_V2, files)).available).toBe(0);
  });

  test('a roomy group does not hide that the system is short', () => {
    const files = { '/sys/fs/cgroup/memory.max': `${2 ** 40}`, '/sys/fs/cgroup/memory.current': '0' };
    expect(memoryLimit(reader(MEMINFO, DOCKER_V2, files)).source).toBe('system');
  });

  test('here', () => {
    const { total, available, source } = memoryLimit();
    expect(available).toBeGreaterThan(0);
    expect(available).toBeLessThanOrEqual(total);
    console.log(`here: ${formatBytes(available)} of ${formatBytes(total)} (${source})`);
  });
});

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '0.98 KiB'],
  [1536, '1.50 KiB'],
  [1023 * 1024, '1.00 MiB'],
  [123.4 * MIB, '123 MiB'],
  [2 ** 31, '2.00 GiB'],
  [12.5 * 2 ** 30, '12.5 GiB'],
  [5000 * 2 ** 40, '5000 TiB'],
])('formatBytes(%d) is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
