/**
 * Linux control groups: where the limits of this process are written down.
 *
 * A process belongs to one group per hierarchy (/proc/self/cgroup), a limit may be set on that group or on any
 * of its parents, and what part of a hierarchy is visible, and where, is in /proc/self/mountinfo. Version 1 has
 * a hierarchy per controller, version 2 one for all; hosts in transition have both. Parsing is kept apart from
 * reading, for tests.
 */
import { readFileSync } from 'node:fs';

export interface Membership {
  version: 1 | 2;
  /** Version 1 only: `cpu`, `memory`, ... */
  controllers: string[];
  path: string;
}

export interface Mount {
  version: 1 | 2;
  controllers: string[];
  /** The group that is seen at `folder`. */
  root: string;
  folder: string;
}

/** Reads a small file of /proc or /sys; undefined where there is none. */
export type Reader = (path: string) => string | undefined;

export const readText: Reader = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** /proc/self/cgroup: `4:cpu,cpuacct:/docker/abc`, or `0::/user.slice` for version 2. */
export function parseMemberships(text: string): Membership[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (!match) return [];
    const [, id, controllers, path] = match;
    return [
      { version: id === '0' ? 2 : 1, controllers: controllers!.split(',').filter(Boolean), path: path! },
    ];
  });
}

/** The control group mounts of /proc/self/mountinfo: `36 25 0:30 ROOT FOLDER rw - cgroup cgroup rw,memory`. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ');
    const [kind, , options] = right?.split(' ') ?? [];
    if (kind !== 'cgroup' && kind !== 'cgroup2') return [];
    const [, , , root, folder] = left!.split(' ');
    const controllers = kind === 'cgroup' ? (options ?? '').split(',') : [];
    return [
      { version: kind === 'cgroup2' ? 2 : 1, controllers, root: unescape(root!), folder: unescape(folder!) },
    ];
  });
}

/** The kernel writes blanks in paths as octal: `\040`. */
function unescape(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** Folders that may hold this process's limits for a controller: its own group first, then the parents. */
export function groupFolders(
  controller: string,
  version: 1 | 2,
  memberships: readonly Membership[],
  mounts: readonly Mount[],
): string[] {
  const has = (item: Membership | Mount) =>
    item.version === version && (version === 2 || item.controllers.includes(controller));
  const own = memberships.find(has),
    mount = mounts.find(has);
  if (!own || !mount) return [];
  const names = below(own.path, mount.root).split('/').filter(Boolean);
  return Array.from({ length: names.length + 1 }, (_, i) =>
    [mount.folder, ...names.slice(0, names.length - i)].join('/'),
  );
}

/** `path` as seen from `root`. What lies outside (`/..` in a namespace) cannot be seen: the root itself. */
function below(path: string, root: string): string {
  if (path.split('/').includes('..')) return '';
  if (root === '/') return path;
  return path.startsWith(`${root}/`) ? path.slice(root.length) : '';
}

/** The folders of this process, by version; empty outside Linux. */
export function ownFolders(controller: string, read: Reader): { 1: string[]; 2: string[] } {
  const memberships = parseMemberships(read('/proc/self/cgroup') ?? '');
  const mounts = parseMounts(read('/proc/self/mountinfo') ?? '');
  const folders = (version: 1 | 2) => groupFolders(controller, version, memberships, mounts);
  return { 1: folders(1), 2: folders(2) };
}
