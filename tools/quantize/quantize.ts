/** A GGUF model to a smaller one: reads, converts and writes chunk by chunk, on all threads. */
import { realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../src/errors.ts';
import { fileTypeByName } from '../../src/gguf/file-types.ts';
import {
  closeGguf,
  copyMetadata,
  i32,
  openGguf,
  saveGguf,
  u32,
  type GgufFile,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { requireSpace } from '../../src/models/disk.ts';
import { defaultThreads } from '../../src/platform/node/cpu.ts';
import { fileSink } from '../../src/platform/node/file-sink.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { importanceOfColumns, type Imatrix } from '../imatrix/imatrix.ts';
import { loadQuantizeModules } from './kernels.ts';
import { planQuantization, type Plan, type PlannedTensor, type PlanOptions } from './plan.ts';
import { chunksOf, countChunks, RowsPool, type ImportanceOf } from './pool.ts';

/** What ggml calls the version of its block layouts. */
const QUANTIZATION_VERSION = 2;
/** Header, padding between tensors. */
const HEADER_BYTES = 16 << 20;

export interface QuantizeOptions extends Omit<PlanOptions, 'imatrix'> {
  imatrix?: Imatrix;
  threads?: number;
  signal?: AbortSignal;
  /** Bytes of the new file, done and in all. */
  onProgress?: (bytes: number, totalBytes: number) => void;
}

export interface QuantizeResult {
  plan: Plan;
  /** Of the new file. */
  bytes: number;
  milliseconds: number;
}

/** What quantizing would make of a file: for `--dry-run`. Throws like planQuantization. */
export async function planFile(input: string, options: QuantizeOptions): Promise<Plan> {
  const file = await openGguf(input, fileSource, { signal: options.signal });
  try {
    return planQuantization(file, { ...options, imatrix: options.imatrix !== undefined });
  } finally {
    await closeGguf(file);
  }
}

/**
 * Quantizes the model in `input` (the first of its shards) to `output`, which appears when it is whole.
 *
 * @throws UsageError for options that do not fit the file; GgufError for a damaged one; StoreError on a full disk;
 *   AbortedError
 */
export async function quantizeFile(
  input: string,
  output: string,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const started = performance.now();
  const { signal, onProgress } = options;
  const file = await openGguf(input, fileSource, { signal });
  let pool: RowsPool | undefined;
  try {
    await refuseOverwrite(file, output);
    const plan = planQuantization(file, { ...options, imatrix: options.imatrix !== undefined });
    const importance = importanceSource(plan, options.imatrix);
    await requireSpace(dirname(resolve(output)), plan.newBytes + HEADER_BYTES, 'Write to another disk.');
    const threads = options.threads ?? (await defaultThreads());
    const modules = await loadQuantizeModules();
    const chunks = function* () {
      for (const tensor of plan.tensors) yield* chunksOf(file, modules, tensor, importance);
    };
    const rows = new RowsPool(chunks(), threads);
    pool = rows;
    let done = 0;
    const data = async function* (tensor: PlannedTensor): AsyncGenerator<Uint8Array> {
      for (let left = countChunks(tensor); left > 0; left--) {
        const bytes = await rows.next(signal);
        yield bytes;
        done += bytes.length;
        onProgress?.(done, plan.newBytes);
      }
    };
    const tensors = plan.tensors.map((tensor): WritableTensor => ({
      name: tensor.tensor.name,
      type: tensor.type.id,
      shape: tensor.tensor.shape,
      data: () => data(tensor),
    }));
    const metadata = newMetadata(file, plan, options.imatrix);
    let bytes = 0;
    await saveGguf(
      output,
      fileSink,
      { metadata, tensors },
      { signal, onProgress: (written) => (bytes = written) },
    );
    return { plan, bytes, milliseconds: performance.now() - started };
  } finally {
    await pool?.close();
    await closeGguf(file);
  }
}

/** A file that is read cannot be written over, whatever its name. */
async function refuseOverwrite(file: GgufFile, output: string): Promise<void> {
  const target = await realpath(output).catch(() => resolve(output));
  for (const { name } of file.sources) {
    if ((await realpath(name)) === target) {
      throw new UsageError(`${output} is the file that is read: give the new one another name`);
    }
  }
}

/** The file's own metadata with what has changed, and where the importance came from. */
function newMetadata(
  file: GgufFile,
  { mix }: Plan,
  imatrix: Imatrix | undefined,
): Map<string, WritableValue> {
  const metadata = copyMetadata(file);
  metadata.set('general.quantization_version', u32(QUANTIZATION_VERSION));
  metadata.set('general.file_type', u32(fileTypeByName(mix.name)!.id));
  if (!imatrix) return metadata;
  metadata.set('quantize.imatrix.file', imatrix.name);
  const [dataset] = imatrix.datasets;
  if (dataset !== undefined) metadata.set('quantize.imatrix.dataset', dataset);
  metadata.set('quantize.imatrix.entries_count', u32(imatrix.entries.size));
  if (imatrix.chunks > 0) metadata.set('quantize.imatrix.chunks_count', i32(imatrix.chunks));
  return metadata;
}

/** Importance by tensor and matrix; throws a UsageError where the matrix is of another model. */
function importanceSource(plan: Plan, imatrix: Imatrix | undefined): ImportanceOf {
  const columnsOf = new Map<string, Float32Array>();
  for (const { tensor, columns, parts } of imatrix ? plan.tensors : []) {
    const entry = imatrix!.entries.get(tensor.name);
    if (!entry) continue;
    const importance = importanceOfColumns(entry);
    if (importance.length === columns * parts) columnsOf.set(tensor.name, importance);
    else if (tensor.name !== 'token_embd.weight') {
      throw new UsageError(
        `${imatrix!.name} is of another model: ${tensor.name} has ${columns * parts} columns, not ${importance.length}`,
      );
    }
  }
  return ({ tensor, columns }, part) =>
    columnsOf.get(tensor.name)?.subarray(part * columns, (part + 1) * columns);
}
