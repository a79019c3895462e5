/**
 * Where nibble keeps files on this machine: models, measured kernel choices, work folders.
 *
 * One folder, the first of: `NIBBLE_HOME`; `$XDG_CACHE_HOME/nibble` (on every system, where it is set); the
 * system's cache folder; and, where none of these can be written (read-only homes of containers), a folder of
 * this user below the temporary folder. `NIBBLE_HOME` is a wish, not a hint: nothing else is tried with it.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { StoreError } from '../../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HomeCandidate {
  path: string;
  /** Who chose it: decides what an error message may suggest. */
  chosenBy: 'caller' | 'NIBBLE_HOME' | 'XDG_CACHE_HOME' | 'system' | 'temporary';
}

/** Folders that may hold nibble's files, best first. Nothing is created; `home` overrules the environment. */
export function homeCandidates(home?: string, env: Environment = process.env): HomeCandidate[] {
  if (home !== undefined && home !== '') return [{ path: resolve(home), chosenBy: 'caller' }];
  if (env['NIBBLE_HOME']) return [{ path: resolve(env['NIBBLE_HOME']), chosenBy: 'NIBBLE_HOME' }];
  const candidates: HomeCandidate[] = [];
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG specification: relative paths there are to be ignored.
  if (xdg && isAbsolute(xdg)) candidates.push({ path: join(xdg, 'nibble'), chosenBy: 'XDG_CACHE_HOME' });
  const system = systemCacheFolder(env);
  if (system !== undefined) candidates.push({ path: system, chosenBy: 'system' });
  candidates.push({ path: join(tmpdir(), `nibble-${userTag()}`), chosenBy: 'temporary' });
  return candidates;
}

/**
 * The first candidate that can be written, created if need be; `notice` says so when it is not the first.
 * Throws StoreError ERR_STORE_READ_ONLY, naming NIBBLE_HOME, when there is none.
 */
export async function writableHome(
  home?: string,
  env: Environment = process.env,
): Promise<{ path: string; notice?: string }> {
  const failures: string[] = [];
  for (const candidate of homeCandidates(home, env)) {
    const reason = await whyNotWritable(candidate);
    if (reason === undefined) {
      if (failures.length === 0) return { path: candidate.path };
      const where = candidate.chosenBy === 'temporary' ? ' (temporary: it may be gone after a restart)' : '';
      const notice = `cannot write to ${failures.join(', nor to ')}: using ${candidate.path}${where}; set NIBBLE_HOME to a folder that lasts`;
      return { path: candidate.path, notice };
    }
    failures.push(`${candidate.path} (${reason})`);
  }
  throw new StoreError(
    'ERR_STORE_READ_ONLY',
    `cannot write to ${failures.join(', nor to ')}. Set NIBBLE_HOME to a folder that can be written.`,
  );
}

function systemCacheFolder(env: Environment): string | undefined {
  if (process.platform === 'win32') {
    const local = env['LOCALAPPDATA'];
    if (local) return join(local, 'nibble', 'Cache');
  }
  const home = userHome(env);
  if (home === undefined) return undefined;
  if (process.platform === 'win32') return join(home, 'AppData', 'Local', 'nibble', 'Cache');
  return process.platform === 'darwin'
    ? join(home, 'Library', 'Caches', 'nibble')
    : join(home, '.cache', 'nibble');
}

/** Containers run as users without a home: `HOME` is unset, empty or `/`, and os.homedir() may throw. */
function userHome(env: Environment): string | undefined {
  const named = process.platform === 'win32' ? env['USERPROFILE'] : env['HOME'];
  if (named && isAbsolute(named) && named !== '/') return named;
  try {
    const home = homedir();
    return home !== '' && home !== '/' ? home : undefined;
  } catch {
    return undefined;
  }
}

function userTag(): string {
  if (process.getuid) return String(process.getuid());
  try {
    return userInfo().username.replace(/[^\w.-]/g, '_');
  } catch {
    return 'user';
  }
}

/** Tries it: access(2) knows neither Windows ACLs nor every read-only file system. */
async function whyNotWritable(candidate: HomeCandidate): Promise<string | undefined> {
  try {
    await makeFolder(candidate.path);
    if (candidate.chosenBy === 'temporary' && process.getuid) {
      // In a shared /tmp, somebody else may have made our folder first.
      const status = await lstat(candidate.path);
      if (!status.isDirectory() || status.uid !== process.getuid()) return 'belongs to another user';
    }
    const probe = join(candidate.path, `.write-${randomUUID()}`);
    await writeFile(probe, '');
    await rm(probe, { force: true });
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/**
 * Makes a folder and what is missing above it. Not `mkdir` with `recursive`: where the system answers ENOENT
 * below an existing folder (as /proc does), Node 20 never comes back from that.
 */
async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      if ((await stat(folder)).isDirectory()) break;
      throw Object.assign(new Error(`${folder} is a file`), { code: 'ENOTDIR' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw error;
      missing.push(folder);
    }
  }
  for (const folder of missing.reverse()) {
    await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error; // Another process was faster.
    });
  }
}
