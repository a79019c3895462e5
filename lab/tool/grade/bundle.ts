/** What learners hand in: a folder or a zip file. Nothing of it is believed but the text of the kernels. */
import { lstat, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { unzipSync } from 'fflate';
import { LabError } from '../errors.ts';
import { GRADED } from './points.ts';

export interface Handin {
  /** Name of the folder or file. */
  name: string;
  /** Stage -> source text. */
  kernels: Map<string, string>;
  /** Stage -> why what lies there was not read. */
  refused: Map<string, string>;
}

const MOST_KERNEL_BYTES = 2 ** 20;
const MOST_ZIP_BYTES = 64 * 2 ** 20;
const TOO_LARGE = 'is larger than 1 MiB: no kernel is';

/**
 * The kernels in a folder (`STAGE.ts`, or `work/STAGE.ts`) or in a bundle. Other files are not looked at; links are not
 * followed.
 *
 * @throws LabError ERR_LAB_FILE
 */
export async function readHandin(path: string): Promise<Handin> {
  const kind = await kindOf(path);
  if (kind === 'folder') {
    const work = join(path, 'work');
    const found = await fromFolder((await kindOf(work)) === 'folder' ? work : path);
    // A bundle that was not unpacked.
    const zip = join(path, 'report.zip');
    const empty = found.kernels.size === 0 && found.refused.size === 0;
    const handin = empty && (await kindOf(zip)) === 'file' ? await fromZip(zip) : found;
    return { name: basename(path), ...handin };
  }
  if (kind === 'file') return { name: basename(path, '.zip'), ...(await fromZip(path)) };
  throw new LabError(
    'ERR_LAB_FILE',
    `${path} is neither a folder nor a bundle: give what "nibble lab report --bundle" made`,
  );
}

/** Undefined for what is not there, and for links: who hands in chooses where they point. */
async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  const status = await lstat(path).catch(() => undefined);
  return status?.isDirectory() ? 'folder' : status?.isFile() ? 'file' : undefined;
}

type Found = Omit<Handin, 'name'>;

async function fromFolder(folder: string): Promise<Found> {
  const found: Found = { kernels: new Map(), refused: new Map() };
  for (const { id } of GRADED) {
    const file = join(folder, `${id}.ts`);
    const status = await lstat(file).catch(() => undefined);
    if (!status) continue;
    if (!status.isFile()) found.refused.set(id, `${file} is a link or a folder, not a file`);
    else if (status.size > MOST_KERNEL_BYTES) found.refused.set(id, `${file} ${TOO_LARGE}`);
    else found.kernels.set(id, await readFile(file, 'utf8'));
  }
  return found;
}

async function fromZip(file: string): Promise<Found> {
  const { size } = await lstat(file);
  if (size > MOST_ZIP_BYTES)
    throw new LabError('ERR_LAB_FILE', `${file} is larger than 64 MiB: no bundle is`);
  const stages = new Map(GRADED.map(({ id }) => [`work/${id}.ts`, id]));
  const found: Found = { kernels: new Map(), refused: new Map() };
  const seen = new Set<string>();
  let entries: Record<string, Uint8Array>;
  try {
    // Before anything is unpacked: its size, also the packed one, which cannot lie; and each name only once.
    entries = unzipSync(await readFile(file), {
      filter: ({ name, size: packed, originalSize }) => {
        const stage = stages.get(name);
        if (stage === undefined || seen.has(name)) return false;
        seen.add(name);
        if (Math.max(packed, originalSize) <= MOST_KERNEL_BYTES) return true;
        found.refused.set(stage, `${name} in ${file} ${TOO_LARGE}`);
        return false;
      },
    });
  } catch (error) {
    throw new LabError('ERR_LAB_FILE', `${file} is no zip file, or a damaged one`, { cause: error });
  }
  const decoder = new TextDecoder();
  for (const [name, bytes] of Object.entries(entries)) {
    found.kernels.set(stages.get(name)!, decoder.decode(bytes));
  }
  return found;
}
