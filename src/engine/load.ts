/** Loads a model: plan, check the need for memory, start workers, wait until they have brought it all in. */
import { AbortedError, GgufError, ModelError, UsageError, WorkerError } from '../errors.ts';
import { findNumber } from '../gguf/metadata.ts';
import { fileTypeName } from '../gguf/file-types.ts';
import { fingerprint } from '../gguf/fingerprint.ts';
import type { ByteSource, GgufFile } from '../gguf/types.ts';
import { PAGE } from '../kernels/control.ts';
import { instantiate, plug } from '../kernels/exports.ts';
import { LAYOUTS } from '../kernels/formats.ts';
import { Engine } from './engine.ts';
import { splitOf } from './fusion.ts';
import {
  LOAD_DAMAGED,
  LOAD_KIB,
  LOAD_READY,
  LOAD_STOP,
  LOAD_WORDS,
  type Host,
  type Workers,
} from './host.ts';
import { KV_CODES } from './layout/pages.ts';
import type { LayoutOptions, SegmentLayout } from './layout/types.ts';
import { bytesPerToken } from './profile.ts';
import { writeSegment } from './records/index.ts';
import { RopeTable } from './rope.ts';
import { Runner } from './runner.ts';
import { layoutModel } from './segments.ts';
import { PageStore } from './state/pages.ts';
import { modelName, readSpec } from './spec.ts';
import { loadTasks } from './tasks.ts';
import { missingLayouts, typeLayouts } from './weight-layouts.ts';
import type { ModelSpec } from './architectures/types.ts';
import type { KernelVariant, KvType, LoadOptions, ModelInfo } from './types.ts';

/** LoadOptions with every choice made. */
export interface ResolvedOptions extends LoadOptions {
  threads: number;
  contextSize: number;
  variant: KernelVariant;
}

export interface Plan {
  spec: ModelSpec;
  options: ResolvedOptions;
  layoutOptions: LayoutOptions;
  layouts: SegmentLayout[];
  /** Bytes of all segments' memories. */
  memoryBytes: number;
  weightBytes: number;
  kvBytes: number;
}

/** Observed inputs take room for a whole batch in every layer. */
const OBSERVED_BATCH = 64;

/** Rows of logits per step: about 8 MB, which the calling thread copies in a few milliseconds. */
function outputRows(width: number, batch: number): number {
  return Math.max(1, Math.min(batch, Math.max(8, Math.floor(2 ** 23 / (Math.max(1, width) * 4)))));
}

/** An option that counts something. */
function count(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
  }
  return value;
}

/** @throws UsageError */
export function checkThreads(threads: number): number {
  return count('threads', threads, 1, 256);
}

/** An option that is one of a few words. */
function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw new UsageError(`${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
  }
  return value;
}

/**
 * Everything about the model's place in memory, without taking any.
 *
 * @throws ModelError for what the engine cannot run; UsageError for options out of range
 */
export async function planModel(file: GgufFile, options: ResolvedOptions): Promise<Plan> {
  if (options.contextSize !== 0) count('contextSize', options.contextSize, 1, 2 ** 24);
  const spec = await readSpec(file, options.contextSize);
  const { contextSize } = spec;
  const threads = checkThreads(options.threads);
  const usualBatch = options.observe ? OBSERVED_BATCH : 512;
  const { encoder = false } = spec.architecture;
  // An encoder's texts go in one piece: each token sees those behind it.
  const batch = encoder
    ? contextSize
    : count('batchSize', Math.min(options.batchSize ?? usualBatch, contextSize), 1, 4096);
  const layoutOptions: LayoutOptions = {
    threads,
    batch,
    outputs: outputRows(spec.outputs, batch),
    pages: Math.ceil(contextSize / PAGE),
    kvType: oneOf('kvType', options.kvType ?? (encoder ? 'f32' : 'f16'), Object.keys(KV_CODES) as KvType[]),
    exact: oneOf('activations', options.activations ?? 'int8', ['int8', 'f32']) === 'f32',
    weightLayout: options.layout === undefined ? undefined : oneOf('layout', options.layout, LAYOUTS),
    profile: options.profile ?? false,
    split: splitOf(options.fuse),
    observe: options.observe ?? false,
    kernel: options.kernel,
  };
  if (layoutOptions.kernel && layoutOptions.exact) {
    throw new UsageError(
      'a kernel from outside computes with int8 activations: leave --activations f32 away',
    );
  }
  if (layoutOptions.weightLayout !== undefined && layoutOptions.exact) {
    throw new UsageError('layouts are for the kernels with int8 activations: leave --activations f32 away');
  }
  const layouts = layoutModel(spec, layoutOptions, options.segmentLimit);
  const sum = (f: (layout: SegmentLayout) => number) =>
    layouts.reduce((total, layout) => total + f(layout), 0);
  return {
    spec,
    options: { ...options, contextSize },
    layoutOptions,
    layouts,
    memoryBytes: sum((layout) => layout.bytes),
    weightBytes: sum((layout) => layout.weightBytes),
    kvBytes: sum((layout) => layout.kv.pageBytes * layoutOptions.pages),
  };
}

/**
 * Brings a planned model into memory.
 *
 * @throws ModelError where memory cannot be had; GgufError for a file that changed or holds NaN; WorkerError;
 *   AbortedError
 */
export async function loadEngine(host: Host, file: GgufFile, plan: Plan): Promise<Engine> {
  const started = performance.now();
  const { options, layoutOptions, layouts, spec } = plan;
  const { onProgress, signal } = options;
  if (signal?.aborted) throw new AbortedError();
  onProgress?.({ stage: 'kernels', bytes: 0, totalBytes: 0 });
  const { weightLayout } = layoutOptions;
  const missing =
    weightLayout !== undefined && missingLayouts(typeLayouts(layouts, weightLayout), weightLayout);
  if (missing) options.onFallback?.(missing);
  const module = await host.kernels();
  const segments = layouts.map((layout) => {
    const memory = allocate(layout.bytes);
    const kernels = instantiate(module, memory);
    const linear = options.kernel ? plug(options.kernel.module, kernels, memory) : 0;
    writeSegment(memory, kernels, spec, layout, layoutOptions, linear);
    return { memory, kernels, layout };
  });
  const load = new SharedArrayBuffer(LOAD_WORDS * 4);
  const tasks = loadTasks(layouts);
  const workers = host.start({
    module,
    kernel: options.kernel?.module,
    threads: layoutOptions.threads,
    segments: segments.map(({ memory, layout }) => {
      const hidden = layout.buffers.get('hidden')!;
      return { memory, stage: layout.stage, stageBytes: layout.stageBytes, hidden };
    }),
    paths: file.sources.map((source) => source.name),
    tasks,
    load,
  });
  const totalBytes = tasks.reduce((sum, task) => sum + task.bytes, 0);
  const ropes = spec.ropes.map((rope) => new RopeTable(rope));
  await Promise.all([
    waitForLoad(new Int32Array(load), workers, layoutOptions.threads, totalBytes, options),
    ...ropes.map((rope) => rope.prepare(layoutOptions.batch)),
  ]);
  const runner = new Runner(spec, segments, workers, { ...layoutOptions, ropes });
  const info = modelInfo(file, plan, performance.now() - started);
  return new Engine({
    spec,
    runner,
    info,
    pages: layoutOptions.pages,
    sharing: options.prefixCache ?? false,
    store: new PageStore(segments, { ...spec, kvType: layoutOptions.kvType }),
    fingerprint: () => fingerprintOf(host, file, spec),
    batch: layoutOptions.batch,
    outputs: layoutOptions.outputs,
  });
}

/** Opens the model's files once more: `file` is closed when the model is loaded. */
async function fingerprintOf(host: Host, { sources }: GgufFile, spec: ModelSpec): Promise<string> {
  const opened: ByteSource[] = [];
  try {
    for (const { name } of sources) opened.push(await host.open(name));
    return await fingerprint(opened, spec.tensors.values());
  } finally {
    await Promise.all(opened.map((source) => source.close()));
  }
}

function allocate(bytes: number): WebAssembly.Memory {
  const pages = bytes / 65536;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new ModelError(
      `cannot get ${(bytes / 2 ** 20).toFixed(0)} MiB of memory: use a smaller --ctx-size or a smaller model`,
      { code: 'ERR_OUT_OF_MEMORY', cause: error },
    );
  }
}

/** Milliseconds between reports of progress. */
const REPORT_EVERY = 50;

async function waitForLoad(
  words: Int32Array,
  workers: Workers,
  threads: number,
  totalBytes: number,
  { onProgress, signal }: LoadOptions,
): Promise<void> {
  const report = () => {
    const bytes = Math.min(totalBytes, Atomics.load(words, LOAD_KIB) * 1024);
    onProgress?.({ stage: 'load', bytes, totalBytes });
  };
  report();
  const timer = setInterval(report, REPORT_EVERY);
  const stop = () => Atomics.store(words, LOAD_STOP, 1);
  signal?.addEventListener('abort', stop);
  const failed = workers.finished.then(() => {
    throw new WorkerError('the workers ended before the model was loaded');
  });
  // Every model's workers end some day: nobody waits for this then.
  failed.catch(() => undefined);
  try {
    for (let ready = 0; ready < threads; ready = Atomics.load(words, LOAD_READY)) {
      const waiting = Atomics.waitAsync(words, LOAD_READY, ready);
      if (waiting.async) await Promise.race([waiting.value, failed]);
    }
    if (signal?.aborted) throw new AbortedError();
    onProgress?.({ stage: 'load', bytes: totalBytes, totalBytes });
  } catch (error) {
    const damaged = Atomics.load(words, LOAD_STOP) === LOAD_DAMAGED;
    stop();
    await workers.terminate();
    if (error instanceof AbortedError || error instanceof WorkerError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (damaged) throw new GgufError(message, { cause: error });
    throw new WorkerError(`a worker died while loading: ${message}`, { cause: error });
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function modelInfo(file: GgufFile, plan: Plan, loadMs: number): ModelInfo {
  const { spec, options, layoutOptions, layouts } = plan;
  const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const weightTypes = typeLayouts(layouts, layoutOptions.weightLayout).map(({ type, bytes, format }) => ({
    type,
    bytes,
    layout: format.layout,
    layoutText: format.layoutText,
  }));
  const fileType = findNumber(file.metadata, 'general.file_type');
  return {
    source: file.sources[0]!.name,
    name: modelName(file.metadata),
    architecture: spec.architecture.name,
    parameters: file.tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0),
    fileBytes: file.byteLength,
    fileType: fileType === undefined ? (weightTypes[0]?.type ?? 'F32') : fileTypeName(fileType),
    layers: spec.layers.length,
    embeddingLength: spec.width,
    vocabularySize: spec.vocabulary,
    encoder: spec.architecture.encoder ?? false,
    labels: spec.classifier?.labels,
    pooling: spec.pooling,
    trainedContext: spec.trainedContext,
    contextSize: options.contextSize,
    threads: layoutOptions.threads,
    segments: layouts.length,
    kvType: layoutOptions.kvType,
    activations: layoutOptions.exact ? 'f32' : 'int8',
    variant: options.variant,
    weightTypes,
    loadMs,
    memoryBytes: plan.memoryBytes,
    bytesPerToken: bytesPerToken(layouts.flatMap(({ program }) => program.ops.slice(0, program.usual))),
  };
}
