/**
 * `nibble convert`: a Hugging Face checkpoint to GGUF. Planning reads headers and JSON only and says what the result
 * will be; writing then streams tensor by tensor.
 */
import { dirname } from 'node:path';
import { quote } from '../../src/gguf/cursor.ts';
import { plannedFiles, saveGguf } from '../../src/gguf/save.ts';
import type { ByteSink } from '../../src/gguf/sinks.ts';
import { tensorBytes, typeLabel } from '../../src/gguf/tensor-types.ts';
import type { WritableGguf } from '../../src/gguf/writer.ts';
import { requireSpace } from '../../src/models/disk.ts';
import { fileSink } from '../../src/platform/node/file-sink.ts';
import { checkSupported, conversionFor } from './architectures/index.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { modelMetadata } from './metadata.ts';
import { fileTypeOf, type Outtype } from './outtype.ts';
import { F32, I8, Q4_1 } from './rows.ts';
import { planTensors, writable, type PlannedTensor } from './tensors.ts';
import { hasTokenizer, safeName, tokenizerMetadata, withoutTokenizer } from './tokenizer.ts';

export { CONVERSIONS } from './architectures/index.ts';
export { OUTTYPES, type Outtype } from './outtype.ts';

export interface ConvertOptions {
  /** Of matrices; vectors, norms and routers are F32 in any case. Default: f16. */
  outtype?: Outtype;
  /** A folder with tokenizer files, or one of them, in the place of the checkpoint's own. */
  tokenizer?: string;
  /** Default: the checkpoint folder's. */
  name?: string;
  /** Metadata and vocabulary, no weights. */
  vocabOnly?: boolean;
  /** Most bytes of a file: more become shards. */
  maxShardBytes?: number;
  onNotice?: (line: string) => void;
}

export interface WriteOptions {
  signal?: AbortSignal;
  onProgress?: (bytes: number, totalBytes: number) => void;
}

/** A conversion that is ready to be written. */
export interface ConversionPlan {
  /** general.architecture. */
  architecture: string;
  parameters: number;
  files: { path: string; bytes: number }[];
  /** Bytes of all files. */
  bytes: number;
  /** How many tensors have which type, and their bytes. */
  types: { type: string; tensors: number; bytes: number }[];
  tensors: { name: string; type: string; shape: readonly number[]; from: string; was: string }[];
  /** Writes the files; none is visible before all are whole. Gives back their paths. */
  write(options?: WriteOptions): Promise<string[]>;
  /** Closes the checkpoint. */
  close(): Promise<void>;
}

/**
 * Looks at a checkpoint folder and decides everything about the file at `output`. Close the plan.
 *
 * @throws CheckpointError when the folder holds no checkpoint that can be converted, TokenizerError, GgufError
 */
export async function planConversion(
  folder: string,
  output: string,
  options: ConvertOptions = {},
): Promise<ConversionPlan> {
  const checkpoint = await openCheckpoint(folder, { weights: options.vocabOnly !== true });
  try {
    const { model, tensors } = await planModel(checkpoint, options);
    const files = await plannedFiles(output, model, options.maxShardBytes);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return {
      architecture: model.metadata.get('general.architecture') as string,
      parameters: parametersOf(tensors),
      files,
      bytes,
      types: typesOf(tensors),
      tensors: tensors.map(({ name, type, rows }) => ({
        name,
        type: typeLabel(type),
        shape: rows.shape,
        from: rows.name,
        was: typeLabel(rows.type),
      })),
      write: (write = {}) => save(output, model, bytes, { ...options, ...write }),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function planModel(
  checkpoint: Checkpoint,
  { outtype = 'f16', vocabOnly = false, ...options }: ConvertOptions,
): Promise<{ model: WritableGguf; tensors: PlannedTensor[] }> {
  const conversion = conversionFor(checkpoint.config);
  const config = conversion.defaults
    ? checkpoint.config.withDefaults(conversion.defaults)
    : checkpoint.config;
  checkSupported(conversion, config);
  const onNotice = options.onNotice ?? (() => undefined);
  const tensors = vocabOnly ? [] : await planTensors(checkpoint, conversion, config, outtype);
  if (tensors.some(({ rows }) => rows.wasPacked)) onNotice(packedNotice(tensors));
  const tokenizer = await tokenizerFolder(checkpoint.folder, options.tokenizer);
  const name = options.name ?? checkpoint.name;
  const metadata = modelMetadata(conversion, config, checkpoint, {
    name: tokenizer === undefined ? name : await safeName(name, tokenizer),
    fileType: fileType(tensors, outtype),
    parameters: parametersOf(tensors),
  });
  const embedding = tensors.find(({ name }) => name === 'token_embd.weight');
  const vocabularySize = embedding?.rows.shape[1] ?? config.count('vocab_size');
  if (tokenizer === undefined) onNotice(noTokenizer(checkpoint.folder));
  const vocabulary =
    tokenizer === undefined
      ? withoutTokenizer(config)
      : await tokenizerMetadata(checkpoint.folder, { path: tokenizer, vocabularySize, onNotice });
  for (const [key, value] of vocabulary) metadata.set(key, value);
  return { model: { metadata, tensors: tensors.map(writable) }, tensors };
}

/** Where the tokenizer is: as named, or with the checkpoint, or nowhere. */
async function tokenizerFolder(folder: string, named: string | undefined): Promise<string | undefined> {
  return named ?? ((await hasTokenizer(folder)) ? folder : undefined);
}

function noTokenizer(folder: string): string {
  return (
    `${folder}: the checkpoint has no tokenizer files, so the model will take ids and give ids; for text name a ` +
    `tokenizer with --tokenizer PATH or --tokenizer hf:OWNER/REPO (OpenELM uses Llama 2's)`
  );
}

/** Numbers that llama.cpp has given out; int8 with scales has none. */
function fileType(tensors: readonly PlannedTensor[], outtype: Outtype): number | undefined {
  if (tensors.length === 0 || tensors.some(({ type }) => type === I8)) return undefined;
  return tensors.some(({ type }) => type === Q4_1) ? Q4_1 : fileTypeOf(outtype);
}

/** Which matrices of a quantized checkpoint stayed as they were. */
function packedNotice(tensors: readonly PlannedTensor[]): string {
  const packed = tensors.filter(({ rows }) => rows.wasPacked);
  const kinds = new Map<string, string[]>();
  for (const { name, rows, type } of packed) {
    const how = `${typeLabel(type)}, ${type === F32 || type === rows.type ? 'exactly' : 'rounded'}`;
    kinds.set(how, [...(kinds.get(how) ?? []), name]);
  }
  const parts = [...kinds].map(([how, names]) => {
    const some = names.length > 4 && kinds.size > 1 ? `: ${names.slice(0, 3).map(quote).join(', ')} ...` : '';
    return `${names.length} as ${how}${some}`;
  });
  return `${packed.length} matrices were quantized already: ${parts.join('; ')}`;
}

function parametersOf(tensors: readonly PlannedTensor[]): number {
  return tensors.reduce((sum, { rows }) => sum + rows.shape.reduce((product, n) => product * n, 1), 0);
}

function typesOf(tensors: readonly PlannedTensor[]): ConversionPlan['types'] {
  const types = new Map<string, { type: string; tensors: number; bytes: number }>();
  for (const { type, rows } of tensors) {
    const name = typeLabel(type);
    const row = types.get(name) ?? { type: name, tensors: 0, bytes: 0 };
    types.set(name, {
      type: name,
      tensors: row.tensors + 1,
      bytes: row.bytes + tensorBytes(type, rows.shape),
    });
  }
  return [...types.values()].sort((a, b) => b.bytes - a.bytes);
}

async function save(
  output: string,
  model: WritableGguf,
  total: number,
  { maxShardBytes, signal, onProgress }: ConvertOptions & WriteOptions,
): Promise<string[]> {
  await requireSpace(dirname(output), total, 'Remove something, or write to another disk.');
  let done = 0;
  const count = (bytes: number): void => onProgress?.((done += bytes), total);
  return saveGguf(output, async (path) => counted(await fileSink(path), count), model, {
    maxShardBytes,
    signal,
  });
}

/** Large tensors take long: progress is counted where the bytes go. */
function counted(sink: ByteSink, count: (bytes: number) => void): ByteSink {
  return {
    ...sink,
    async write(bytes) {
      await sink.write(bytes);
      count(bytes.length);
    },
  };
}
