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
  parseShardName,
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
import { Calibration } from '../calibration/calibration.ts';
import type { Imatrix } from '../imatrix/imatrix.ts';
import { importanceOf } from './importance.ts';
import { loadQuantizeModules } from './kernels.ts';
import { METHODS } from './methods/index.ts';
import type { Method, MethodContext, MethodOptions } from './methods/types.ts';
import { planQuantization, type Plan, type PlannedTensor, type PlanOptions } from './plan.ts';
import { chunksOf, countChunks, QuantizeThreads, RowsPool } from './pool.ts';

/** What ggml calls the version of its block layouts. */
const QUANTIZATION_VERSION = 2;
/** GGUF's number of the type. */
const F32 = 0;
/** Header, padding between tensors. */
const HEADER_BYTES = 16 << 20;

export interface QuantizeOptions extends Omit<PlanOptions, 'imatrix'> {
  imatrix?: Imatrix;
  /** Instead of an importance matrix: another method than rounding, and what it needs. */
  method?: MethodOptions;
  /** A method of the caller's own, in the place of these. */
  own?: (file: GgufFile, plan: Plan) => Method;
  /** Shards of at most so many bytes; default: one file. */
  maxShardBytes?: number;
  threads?: number;
  signal?: AbortSignal;
  /** Bytes of the new file, done and in all. */
  onProgress?: (bytes: number, totalBytes: number) => void;
  /** Chunks of calibration text, done and in all. */
  onCalibration?: (done: number, total: number) => void;
}

export interface QuantizeResult {
  plan: Plan;
  /** The new file, or its shards. */
  files: string[];
  /** Of the new files. */
  bytes: number;
  milliseconds: number;
}

/** What quantizing would make of a file: for `--dry-run`. Throws like planQuantization. */
export async function planFile(input: string, options: QuantizeOptions): Promise<Plan> {
  const file = await openGguf(input, fileSource, { signal: options.signal });
  try {
    return planOf(file, options);
  } finally {
    await closeGguf(file);
  }
}

function planOf(file: GgufFile, options: QuantizeOptions): Plan {
  const { imatrix, method } = options;
  if (imatrix && method) throw new UsageError('an importance matrix and another method exclude each other');
  const row = method && METHODS[method.name];
  const plan = planQuantization(file, { ...options, imatrix: imatrix !== undefined || row?.imatrix });
  return row?.plan?.(plan) ?? plan;
}

/**
 * Quantizes the model in `input` (or any of its shards) to `output`, which appears when it is whole.
 *
 * @throws UsageError for options that do not fit the file; GgufError for a damaged one; ModelError for one that cannot be
 *   calibrated; StoreError on a full disk; AbortedError
 */
export async function quantizeFile(
  input: string,
  output: string,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const started = performance.now();
  const { signal, onProgress, maxShardBytes } = options;
  const file = await openGguf(input, fileSource, { signal });
  const open: { close(): Promise<void> }[] = [{ close: () => closeGguf(file) }];
  try {
    const plan = planOf(file, options);
    await refuseOverwrite(file, output, maxShardBytes !== undefined);
    await requireSpace(dirname(resolve(output)), plan.newBytes + HEADER_BYTES, 'Write to another disk.');
    const threads = new QuantizeThreads(options.threads ?? (await defaultThreads()));
    open.push(threads);
    const modules = await loadQuantizeModules();
    const calibration = options.method && (await calibrate(input, options.method, options));
    if (calibration) open.push({ close: () => calibration[Symbol.asyncDispose]() });
    const method = await methodOf(options, { file, plan, modules, threads, calibration, signal });
    const chunks = async function* () {
      for (const tensor of plan.tensors) yield* chunksOf(file, modules, tensor, await method.treat(tensor));
    };
    const rows = new RowsPool(chunks(), threads);
    open.push(rows);
    let done = 0;
    const data = async function* (tensor: PlannedTensor): AsyncGenerator<Uint8Array> {
      for (let left = countChunks(tensor); left > 0; left--) {
        const bytes = await rows.next(signal);
        yield bytes;
        done += bytes.length;
        onProgress?.(done, plan.newBytes);
      }
    };
    const tensors = plan.tensors.flatMap((tensor): WritableTensor[] => [
      {
        name: tensor.tensor.name,
        type: tensor.type.id,
        shape: tensor.tensor.shape,
        data: () => data(tensor),
      },
      ...(method.extras?.(tensor) ?? []).map((extra) => ({ ...extra, type: F32 })),
    ]);
    const metadata = newMetadata(file, plan, options, calibration);
    let bytes = 0;
    const files = await saveGguf(
      output,
      fileSink,
      { metadata, tensors },
      { maxShardBytes, signal, onProgress: (written) => (bytes = written) },
    );
    return { plan, files, bytes, milliseconds: performance.now() - started };
  } finally {
    for (const each of open.reverse()) await each.close();
  }
}

function calibrate(
  input: string,
  { calibration }: MethodOptions,
  { threads, signal, onCalibration }: QuantizeOptions,
): Promise<Calibration> {
  return Calibration.open(input, calibration, { threads, signal, onProgress: onCalibration });
}

/** Plain rounding, with importance where there is a matrix, or what `options.method` names. */
async function methodOf(
  { imatrix, method, own }: QuantizeOptions,
  context: Omit<MethodContext, 'calibration' | 'options'> & { calibration: Calibration | undefined },
): Promise<Method> {
  const { calibration } = context;
  if (method && calibration) return METHODS[method.name].open({ ...context, calibration, options: method });
  if (own) return own(context.file, context.plan);
  if (imatrix) return importanceOf(context.plan, imatrix);
  return { treat: () => Promise.resolve({}) };
}

/** A file that is read cannot be written over, whatever its name; nor can its shards by others of the same name. */
async function refuseOverwrite(file: GgufFile, output: string, inShards: boolean): Promise<void> {
  const target = await realpath(output).catch(() => resolve(output));
  for (const { name } of file.sources) {
    const source = await realpath(name);
    const shard = inShards ? parseShardName(source) : undefined;
    if (source === target || (shard && `${shard.prefix}.gguf` === target)) {
      throw new UsageError(`${output} is the file that is read: give the new one another name`);
    }
  }
}

/** The file's own metadata with what has changed, and where the importance or the calibration came from. */
function newMetadata(
  file: GgufFile,
  { mix }: Plan,
  { imatrix, method }: QuantizeOptions,
  calibration: Calibration | undefined,
): Map<string, WritableValue> {
  const metadata = copyMetadata(file);
  metadata.set('general.quantization_version', u32(QUANTIZATION_VERSION));
  metadata.set('general.file_type', u32(fileTypeByName(mix.name)!.id));
  if (method && calibration) {
    metadata.set('quantize.method', method.name);
    if (METHODS[method.name].plan) {
      metadata.delete('general.file_type');
      metadata.set(`${String(file.metadata.get('general.architecture'))}.quantization.method`, method.name);
    }
    metadata.set('quantize.calibration.file', calibration.name);
    metadata.set('quantize.calibration.tokens', u32(calibration.tokens));
  }
  if (!imatrix) return metadata;
  metadata.set('quantize.imatrix.file', imatrix.name);
  const [dataset] = imatrix.datasets;
  if (dataset !== undefined) metadata.set('quantize.imatrix.dataset', dataset);
  metadata.set('quantize.imatrix.entries_count', u32(imatrix.entries.size));
  if (imatrix.chunks > 0) metadata.set('quantize.imatrix.chunks_count', i32(imatrix.chunks));
  return metadata;
}
