/**
 * A lock between processes: a file that is created exclusively and touched every two seconds by its owner.
 *
 * It is stale when its owner, a process of this machine, is gone, or when its time stamp has not changed for 30 s
 * by the waiter's own clock (the clocks of machines that share a disk differ).
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { StoreError } from '../errors.ts';
import { pause } from './http.ts';

const HEARTBEAT_MS = 2_000;
const STALE_MS = 30_000;
const POLL_MS = 150;

interface Owner {
  pid: number;
  host: string;
  token: string;
}

export interface LockOptions {
  /** Called once, when somebody else has the lock. */
  onWait?: (owner: { pid: number; host: string } | undefined) => void;
  signal?: AbortSignal;
  staleMs?: number;
}

/** Runs `work` while holding the lock file `path`. Throws AbortedError while waiting, or what `work` throws. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const release = await acquire(path, options);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(path: string, options: LockOptions): Promise<() => Promise<void>> {
  const owner: Owner = { pid: process.pid, host: hostname(), token: randomUUID() };
  let waited = false;
  let vanished = 0;
  let seen = { mtime: -1, since: performance.now() };
  for (;;) {
    if (await create(path, owner)) return hold(path, owner);
    const current = await readOwner(path);
    const mtime = await stat(path).then(
      (status) => status.mtimeMs,
      () => undefined,
    );
    if (mtime === undefined) {
      // Released in this moment; for ever so only where Windows denies the folder.
      if (++vanished > 100)
        throw new StoreError('ERR_STORE_READ_ONLY', `cannot create the lock file ${path}`);
      await pause(10, options.signal);
      continue;
    }
    if (mtime !== seen.mtime) seen = { mtime, since: performance.now() };
    const silent = performance.now() - seen.since > (options.staleMs ?? STALE_MS);
    if (silent || (current !== undefined && isDead(current))) {
      await removeStale(path, current);
      continue;
    }
    if (!waited) options.onWait?.(current);
    waited = true;
    await pause(POLL_MS, options.signal);
  }
}

async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(JSON.stringify(owner));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Windows answers EPERM for a file that is being deleted.
    if (code === 'EEXIST' || (code === 'EPERM' && process.platform === 'win32')) return false;
    throw error;
  }
}

function hold(path: string, owner: Owner): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    // Only ours: it may have been declared stale while this process was suspended.
    if ((await readOwner(path))?.token === owner.token) await rm(path, { force: true });
  };
}

/** Moves the lock away before deleting it, so that a fresh lock of a faster waiter is noticed and put back. */
async function removeStale(path: string, stale: Owner | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return; // Somebody else was faster.
  }
  const moved = await readOwner(aside);
  if (moved !== undefined && moved.token !== stale?.token) {
    await rename(aside, path).catch(() => undefined);
  } else {
    await rm(aside, { force: true });
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner>;
    const { pid, host, token } = value;
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof token !== 'string') return undefined;
    return { pid, host, token };
  } catch {
    return undefined; // Absent, or not yet written.
  }
}

function isDead(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
