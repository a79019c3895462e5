/** What Linux writes in /proc and /sys, shortened; and a reader that finds it. */
import type { Reader } from '../../src/platform/node/cgroup.ts';

export const RASPBERRY_PI_4 = `processor	: 0
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x0
CPU part	: 0xd08
CPU revision	: 3

processor	: 1
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x0
CPU part	: 0xd08
CPU revision	: 3

processor	: 2
CPU implementer	: 0x41
CPU part	: 0xd08

processor	: 3
CPU implementer	: 0x41
CPU part	: 0xd08

Hardware	: BCM2835
Revision	: c03114
Serial		: 10000000aaaaaaaa
Model		: Raspberry Pi 4 Model B Rev 1.4
`;

export const GRAVITON_2 = `processor	: 0
BogoMIPS	: 243.75
Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x3
CPU part	: 0xd0c
CPU revision	: 1

processor	: 1
Features	: fp asimd
CPU implementer	: 0x41
CPU part	: 0xd0c
`;

/** Two little and two big cores. */
export const BIG_LITTLE = ['0xd05', '0xd05', '0xd0b', '0xd0b']
  .map(
    (part, id) => `processor\t: ${id}\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: ${part}\n`,
  )
  .join('\n');

/** Sockets x cores x 2 threads, numbered as Linux does: second threads last. */
export function x86(sockets: number, cores: number): string {
  const blocks = Array.from({ length: sockets * cores * 2 }, (_, id) => {
    const core = id % (sockets * cores);
    return `processor	: ${id}
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) CPU @ 2.20GHz
physical id	: ${Math.floor(core / cores)}
siblings	: ${cores * 2}
core id		: ${core % cores}
cpu cores	: ${cores}
flags		: fpu vme sse4_1 avx2 avx_vnni
bugs		: spectre_v1
`;
  });
  return blocks.join('\n');
}

/** Docker on a host with version 2 and a namespace: the own group is the root of what can be seen. */
export const DOCKER_V2 = {
  '/proc/self/cgroup': '0::/\n',
  '/proc/self/mountinfo':
    '812 800 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n',
};

/** A systemd service with version 2, limits on the slice above. */
export const SYSTEMD_V2 = {
  '/proc/self/cgroup': '0::/system.slice/my\\x2dchat.service\n',
  '/proc/self/mountinfo':
    '25 30 0:23 / /proc rw - proc proc rw\n35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n',
};

/** Docker with version 1: the own group is what is mounted, its parents cannot be seen. */
export const DOCKER_V1 = {
  '/proc/self/cgroup':
    '12:memory:/docker/0f3a\n4:cpu,cpuacct:/docker/0f3a\n3:cpuset:/docker/0f3a\n1:name=systemd:/docker/0f3a\n0::/system.slice/containerd.service\n',
  '/proc/self/mountinfo': `700 690 0:33 /docker/0f3a /sys/fs/cgroup/cpu,cpuacct ro,relatime master:14 - cgroup cgroup rw,cpu,cpuacct
701 690 0:36 /docker/0f3a /sys/fs/cgroup/memory ro,relatime master:17 - cgroup cgroup rw,memory
702 690 0:28 /docker/0f3a /sys/fs/cgroup/systemd ro,relatime master:9 - cgroup cgroup rw,xattr,name=systemd
`,
};

/** Finds the files of all `sets`, nothing else. */
export function reader(...sets: Readonly<Record<string, string>>[]): Reader {
  const files = new Map(sets.flatMap((set) => Object.entries(set)));
  return (path) => files.get(path);
}
