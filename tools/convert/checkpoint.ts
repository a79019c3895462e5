/** Opens a checkpoint folder as transformers' save_pretrained writes it: config.json, weights in one file or in shards. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import type { ByteSource } from '../../src/gguf/types.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { Config, isObject } from './config.ts';
import { readSafetensors, type StoredTensor } from './safetensors.ts';

export type Pooling = 'mean' | 'cls' | 'last';

export interface Checkpoint {
  folder: string;
  /** Of the folder: a name for the model where nothing else gives one. */
  name: string;
  config: Config;
  generation: Config | undefined;
  tensors: ReadonlyMap<string, StoredTensor>;
  /** Which vector of a text sentence-transformers takes; undefined: the folder is not in its layout. */
  pooling?: Pooling;
  close(): Promise<void>;
}

/** A config.json or an index larger than this is none. */
const MAX_JSON_BYTES = 64 << 20;
/** Where sentence-transformers keeps how token vectors become one. */
const POOLING_FOLDER = '1_Pooling';
const PICKLES = /\.(bin|pt|pth|ckpt)$/;

/**
 * Throws CheckpointError when the folder holds no checkpoint, or one that is incomplete or damaged. Without `weights`
 * only the JSON files are read.
 */
export async function openCheckpoint(folder: string, { weights = true } = {}): Promise<Checkpoint> {
  const files = await readdir(folder).catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code;
    const problem =
      code === 'ENOENT' ? 'no such folder' : code === 'ENOTDIR' ? 'is a file, not a folder' : String(code);
    throw new CheckpointError(
      `${folder}: ${problem}; convert takes a Hugging Face checkpoint folder or hf:OWNER/REPO`,
      {
        cause,
      },
    );
  });
  if (!files.includes('config.json')) {
    throw new CheckpointError(`${folder}: there is no config.json, so this is no Hugging Face checkpoint`);
  }
  const config = new Config(await readJsonFile(join(folder, 'config.json')), join(folder, 'config.json'));
  const generationPath = join(folder, 'generation_config.json');
  const generation = files.includes('generation_config.json')
    ? new Config(await readJsonFile(generationPath), generationPath)
    : undefined;
  const pooling = files.includes(POOLING_FOLDER)
    ? await readPooling(join(folder, POOLING_FOLDER, 'config.json'))
    : undefined;
  const sources: ByteSource[] = [];
  const close = async (): Promise<void> => void (await Promise.allSettled(sources.map((s) => s.close())));
  try {
    const tensors = weights ? await readWeights(folder, files, sources) : new Map<string, StoredTensor>();
    return { folder, name: basename(resolve(folder)), config, generation, tensors, pooling, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const POOLINGS: readonly (readonly [flag: string, pooling: Pooling])[] = [
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_lasttoken', 'last'],
];

async function readPooling(path: string): Promise<Pooling> {
  const config = new Config(await readJsonFile(path), path);
  const on = Object.keys(config.json).filter((key) => key.startsWith('pooling_mode_') && config.flag(key));
  const found = POOLINGS.find(([flag]) => on.length === 1 && on[0] === flag);
  if (found) return found[1];
  throw new CheckpointError(`${path}: pooling by ${on.join(' and ') || 'nothing'} is not supported`);
}

async function readWeights(
  folder: string,
  files: readonly string[],
  sources: ByteSource[],
): Promise<Map<string, StoredTensor>> {
  const index = files.find((file) => file.endsWith('.safetensors.index.json'));
  // Beside an index or a single model.safetensors, other files are adapters or copies for other programs.
  const single = files.filter((file) => file.endsWith('.safetensors'));
  const plain = single.includes('model.safetensors') ? ['model.safetensors'] : single;
  const map = index === undefined ? undefined : await readIndex(join(folder, index));
  const names = map === undefined ? plain : [...new Set(map.values())].sort();
  if (names.length === 0) throw new CheckpointError(withoutWeights(folder, files));
  const tensors = new Map<string, StoredTensor>();
  for (const name of names) {
    if (!files.includes(name)) {
      throw new CheckpointError(
        `${join(folder, name)}: this shard is missing: fetch it, or the whole checkpoint, again`,
      );
    }
    const source = await fileSource(join(folder, name));
    sources.push(source);
    for (const tensor of await readSafetensors(source)) {
      if (map !== undefined && map.get(tensor.name) !== name) continue;
      if (tensors.has(tensor.name)) {
        throw new CheckpointError(`${source.name}: tensor ${quote(tensor.name)} is in another file as well`);
      }
      tensors.set(tensor.name, tensor);
    }
  }
  for (const [tensor, name] of map ?? []) {
    if (!tensors.has(tensor)) {
      throw new CheckpointError(
        `${join(folder, name)}: tensor ${quote(tensor)} is missing, which ${index} says is there`,
      );
    }
  }
  return tensors;
}

/** Tensor name to file name. */
async function readIndex(path: string): Promise<Map<string, string>> {
  const json = await readJsonFile(path);
  const map = isObject(json) ? json['weight_map'] : undefined;
  if (!isObject(map)) throw new CheckpointError(`${path}: "weight_map" is missing`);
  const entries = Object.entries(map);
  for (const [, file] of entries) {
    // Never outside of the folder, whatever the index says.
    if (typeof file !== 'string' || !/^[\w.-]+\.safetensors$/.test(file) || file.includes('..')) {
      throw new CheckpointError(`${path}: ${quote(String(file))} is not the name of a safetensors file`);
    }
  }
  return new Map(entries as [string, string][]);
}

function withoutWeights(folder: string, files: readonly string[]): string {
  const pickle = files.find((file) => PICKLES.test(file));
  if (pickle === undefined) return `${folder}: there are no *.safetensors files`;
  return (
    `${join(folder, pickle)}: PyTorch pickles are programs and may do anything when they are read, so convert does not: ` +
    `take the checkpoint's safetensors version (many repositories have it in a branch such as refs/pr/1), or save it ` +
    `so with transformers: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR)`
  );
}

/** Throws CheckpointError when the file cannot be read or is no JSON. */
async function readJsonFile(path: string): Promise<unknown> {
  try {
    const { size } = await stat(path);
    if (size > MAX_JSON_BYTES) throw new CheckpointError(`${path}: ${size} bytes are too many for this file`);
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    const problem =
      cause instanceof SyntaxError ? 'is no valid JSON' : `cannot be read: ${(cause as Error).message}`;
    throw new CheckpointError(`${path}: ${problem}`, { cause });
  }
}
