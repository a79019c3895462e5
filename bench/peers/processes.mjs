// @ts-check
/** What a process and all that it has started use: engines may work in several processes. Linux tells; elsewhere one. */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second for programs, whatever its kernel does. */
const MS_PER_TICK = 10;

/** A process and its descendants. @param {number} root @returns {number[]} */
export function processTree(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parent = Number(statOf(pid)[1]);
    if (Number.isInteger(pid) && parent > 0) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] ?? 0) ?? []));
  return tree;
}

/** Fields of /proc/PID/stat from the state on: after the name, which may hold anything. @param {number} pid */
function statOf(pid) {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU time of all of them, in milliseconds. @param {readonly number[]} pids */
export function cpuMs(pids) {
  return pids.reduce((sum, pid) => {
    const fields = statOf(pid);
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * MS_PER_TICK;
  }, 0);
}

/** Bytes: the sum of their largest resident sets. Pages they share count for each. @param {readonly number[]} pids */
export function peakRss(pids) {
  return sum(pids, (pid) => /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`)));
}

/** Bytes: the sum of their proportional sets, now. A page that several share counts once. @param {readonly number[]} pids */
export function pss(pids) {
  return sum(pids, (pid) => /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`)));
}

/** @param {readonly number[]} pids @param {(pid: number) => RegExpExecArray | null} find */
function sum(pids, find) {
  return pids.reduce((total, pid) => total + Number(find(pid)?.[1] ?? 0) * 1024, 0);
}

/** Empty where the process has ended meanwhile, or the system has no such file. @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
