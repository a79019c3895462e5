// @ts-check
/** The machine that measures, and how much of it others used meanwhile. */
import { cpus } from 'node:os';

/** More than this share of the machine used by others makes figures doubtful. */
export const NOISE = 0.05;

export function describeMachine() {
  const all = cpus();
  return `${all[0]?.model.trim() ?? process.arch}, ${all.length} cores, ${process.platform} ${process.arch}, Node ${process.version}`;
}

/** Seconds of CPU time since the machine started: idle, and in all. */
function cpuTimes() {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idle: idle / 1000, total: total / 1000 };
}

/** Call it before; the function it gives back tells afterwards which share of the machine others used, 0 to 1. */
export function watchOthers() {
  const before = cpuTimes();
  const own = process.cpuUsage();
  /** @param {number} seconds CPU time of the child processes */
  return (seconds) => {
    const { idle, total } = cpuTimes();
    const { user, system } = process.cpuUsage(own);
    const elapsed = total - before.total;
    const busy = elapsed - (idle - before.idle);
    return elapsed > 0 ? Math.max(0, (busy - seconds - (user + system) / 1e6) / elapsed) : 0;
  };
}
