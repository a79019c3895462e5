/** What learners hand in: a folder or a zip file. Nothing of it is believed but the text of the kernels. */
import { existsSync } from 'node:fs';
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
}

const MOST_KERNEL_BYTES = 2 ** 20;
const MOST_ZIP_BYTES = 64 * 2 ** 20;

/**
 * The kernels in a folder (`STAGE.ts`, or `work/STAGE.ts`) or in a bundle. Other files are not looked at; links are not
 * followed.
 *
 * @throws LabError ERR_LAB_FILE
 */
export async function readHandin(path: string): Promise<Handin> {
  const status = await lstat(path).catch(() => undefined);
  if (status?.isDirectory()) {
    // A bundle that was not unpacked.
    const zip = join(path, 'report.zip');
    const folder = existsSync(join(path, 'work')) ? join(path, 'work') : path;
    const kernels = await fromFolder(folder);
    if (kernels.size === 0 && existsSync(zip)) return { name: basename(path), kernels: await fromZip(zip) };
    return { name: basename(path), kernels };
  }
  if (status?.isFile()) return { name: basename(path, '.zip'), kernels: await fromZip(path) };
  throw new LabError(
    'ERR_LAB_FILE',
    `${path} is neither a folder nor a bundle: give what "nibble lab report --bundle" made`,
  );
}

async function fromFolder(folder: string): Promise<Map<string, string>> {
  const kernels = new Map<string, string>();
  for (const { id } of GRADED) {
    const file = join(folder, `${id}.ts`);
    const status = await lstat(file).catch(() => undefined);
    if (!status?.isFile() || status.size > MOST_KERNEL_BYTES) continue;
    kernels.set(id, await readFile(file, 'utf8'));
  }
  return kernels;
}

async function fromZip(file: string): Promise<Map<string, string>> {
  const { size } = await lstat(file);
  if (size > MOST_ZIP_BYTES)
    throw new LabError('ERR_LAB_FILE', `${file} is larger than 64 MiB: no bundle is`);
  const names = new Map(GRADED.map(({ id }) => [`work/${id}.ts`, id]));
  let entries: Record<string, Uint8Array>;
  try {
    // Sizes are looked at before anything is unpacked.
    entries = unzipSync(await readFile(file), {
      filter: ({ name, originalSize }) => names.has(name) && originalSize <= MOST_KERNEL_BYTES,
    });
  } catch (error) {
    throw new LabError('ERR_LAB_FILE', `${file} is no zip file, or a damaged one`, { cause: error });
  }
  const decoder = new TextDecoder();
  return new Map(Object.entries(entries).map(([name, bytes]) => [names.get(name)!, decoder.decode(bytes)]));
}
