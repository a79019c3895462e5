/** Models given as paths: a GGUF file, any shard of one, or a folder that holds exactly one model. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StoreError } from '../errors.ts';
import { modelNames } from './spec.ts';
import { nearNames } from './near.ts';
import { quantizationOf, shardOf } from './quantization.ts';
import type { ResolvedModel } from './types.ts';

/** Throws StoreError ERR_STORE_NOT_FOUND, with names that are near, or ERR_STORE_AMBIGUOUS for a folder. */
export async function resolvePath(path: string): Promise<ResolvedModel> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new StoreError('ERR_STORE_NOT_FOUND', notFoundText(path, error), { cause: error });
  });
  const file = status.isDirectory() ? await modelIn(path) : path;
  const paths = shardPaths(file);
  let bytes = 0;
  for (const shard of paths) {
    const size = await stat(shard).then(
      (s) => s.size,
      () => undefined,
    );
    if (size === undefined) {
      throw new StoreError(
        'ERR_STORE_NOT_FOUND',
        `${basename(file)} is one of ${paths.length} shards, and ${shard} is missing`,
      );
    }
    bytes += size;
  }
  const quantization = quantizationOf(basename(file));
  return { paths, name: path, ...(quantization ? { quantization } : {}), source: 'path', bytes };
}

/** All shards of the file that this is one of; the file itself when it is in one piece. */
function shardPaths(file: string): string[] {
  const name = basename(file);
  const shard = shardOf(name);
  if (!shard) return [file];
  const count = String(shard.count).padStart(5, '0');
  const extension = name.slice(-5); // .gguf in the user's spelling
  return Array.from({ length: shard.count }, (_, i) => {
    const index = String(i + 1).padStart(5, '0');
    return join(dirname(file), `${shard.stem}-${index}-of-${count}${extension}`);
  });
}

async function modelIn(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => /\.gguf$/i.test(name)).sort();
  const models = files.filter((name) => (shardOf(name)?.index ?? 1) === 1);
  if (models.length === 1) return join(folder, models[0]!);
  const found =
    models.length === 0 ? 'no GGUF file' : `${models.length} GGUF files: ${models.slice(0, 8).join(', ')}`;
  throw new StoreError(
    'ERR_STORE_AMBIGUOUS',
    `${folder} is a folder with ${found}; give the path of one file`,
  );
}

function notFoundText(path: string, error: NodeJS.ErrnoException): string {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') return `cannot read ${path} (${error.code})`;
  // Drive letters are no quantization.
  const name = /^([^:/\\]{2,}):[^:/\\]*$/.exec(path)?.[1] ?? path;
  const near = nearNames(name, modelNames());
  const hints: string[] = [];
  if (near.length > 0) hints.push(`near names: ${near.join(', ')}`);
  if (/^[\w-][\w.-]*\/[\w.-]+(:[\w.-]+)?$/.test(path) && !/\.gguf$/i.test(path)) {
    hints.push(`for a repository on the hub write hf:${path}`);
  }
  hints.push('nibble list shows the names');
  const isName = !/[/\\]|\.gguf$/i.test(path);
  return `there is no file ${path}${isName ? ', and no model of that name' : ''} (${hints.join('; ')})`;
}
