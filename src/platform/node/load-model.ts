/** Loads a model from files, on Node. */
import { checkThreads, loadEngine, planModel, type Plan, type ResolvedOptions } from '../../engine/load.ts';
import { typeLayouts, type TypeLayout } from '../../engine/weight-layouts.ts';
import { warmUpSampler } from '../../engine/sampler.ts';
import type { Host } from '../../engine/host.ts';
import type { LoadOptions, Model } from '../../engine/types.ts';
import { ModelError, UsageError, inFile } from '../../errors.ts';
import { ChatModel } from '../../chat/model.ts';
import { closeGguf, openGguf } from '../../gguf/index.ts';
import type { GgufFile } from '../../gguf/types.ts';
import { createTokenizerAsync } from '../../tokenizer/index.ts';
import { defaultThreads } from './cpu.ts';
import { fileSource } from './file-source.ts';
import { startHost } from './host.ts';
import { formatBytes, memoryLimit } from './memory.ts';
import { chooseVariant, setRevectorize, setV8Flags } from './variant.ts';

/** Bytes a process needs beside the segments: V8, Node, the vocabulary; and per worker thread (most: Node 24). */
const PROCESS_BYTES = 80 * 2 ** 20;
const THREAD_BYTES = 13 * 2 ** 20;

/** What loading needs and what there is, in bytes. */
export interface MemoryEstimate {
  weights: number;
  kvCache: number;
  /** All WebAssembly memories, work buffers included. */
  memories: number;
  /** `memories` and what the process needs besides. */
  total: number;
  available: number;
  limit: number;
  source: 'cgroup' | 'system';
}

async function estimatePlan(plan: Plan): Promise<MemoryEstimate> {
  const { total: limit, available, source } = await memoryLimit();
  return {
    weights: plan.weightBytes,
    kvCache: plan.kvBytes,
    memories: plan.memoryBytes,
    total: plan.memoryBytes + PROCESS_BYTES + plan.layoutOptions.threads * THREAD_BYTES,
    available,
    limit,
    source,
  };
}

/** Bytes from NIBBLE_SEGMENT_LIMIT, which tests and users may set instead of the option. */
function segmentLimitFromEnvironment(): number | undefined {
  const text = process.env.NIBBLE_SEGMENT_LIMIT;
  if (text === undefined || text === '') return undefined;
  const [, digits, unit = ''] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * 1024 ** ' KMG'.indexOf(unit.toUpperCase() || ' ');
  if (!(bytes > 0)) throw new UsageError(`NIBBLE_SEGMENT_LIMIT must be bytes, as 500M or 2G, not "${text}"`);
  return bytes;
}

async function resolve(options: LoadOptions): Promise<ResolvedOptions> {
  if (options.v8Flags !== false) setV8Flags();
  const { variant, revectorize } = await chooseVariant({ pinned: options.variant });
  if (revectorize && options.v8Flags !== false) setRevectorize();
  return {
    ...options,
    variant,
    segmentLimit: options.segmentLimit ?? segmentLimitFromEnvironment(),
    threads: checkThreads(options.threads ?? defaultThreads()),
    contextSize: options.contextSize ?? 0,
  };
}

/** A plan without choosing kernels: for who only looks at a file. */
function planOnly(file: GgufFile, options: LoadOptions): Promise<Plan> {
  const resolved = { ...options, variant: 'simd' as const, contextSize: options.contextSize ?? 0 };
  return planModel(file, { ...resolved, threads: options.threads ?? defaultThreads() });
}

/** What `nibble inspect` shows of a file's need, without loading it. */
export async function estimateMemory(file: GgufFile, options: LoadOptions = {}): Promise<MemoryEstimate> {
  return estimatePlan(await planOnly(file, options));
}

/** The run-time layouts that a file's weights would have. */
export async function plannedLayouts(file: GgufFile, options: LoadOptions = {}): Promise<TypeLayout[]> {
  return typeLayouts((await planOnly(file, options)).layouts, options.layout);
}

/**
 * Loads a model from its file, or from the first of its shards.
 *
 * @throws GgufError for a damaged file; ModelError for what cannot be run or does not fit; AbortedError
 */
export async function loadModelFile(
  paths: string | readonly string[],
  options: LoadOptions = {},
): Promise<Model> {
  const path = typeof paths === 'string' ? paths : paths[0]!;
  const resolved = await resolve(options);
  const host = startHost(resolved.threads, resolved.variant);
  try {
    options.onProgress?.({ stage: 'read', bytes: 0, totalBytes: 0 });
    const file = await openGguf(path, fileSource, { signal: options.signal });
    try {
      return await loadInto(host, file, await planThatFits(file, resolved));
    } catch (error) {
      throw inFile(path, error);
    } finally {
      await closeGguf(file);
    }
  } finally {
    await host.release();
  }
}

async function loadInto(host: Host, file: GgufFile, plan: Plan): Promise<Model> {
  // The vocabulary is built here, and the sampler's code compiled, while the workers read the weights.
  const [engine, tokenizer] = await Promise.allSettled([
    loadEngine(host, file, plan),
    createTokenizerAsync(file.metadata),
    warmUpSampler(),
  ]);
  if (engine.status === 'rejected') throw engine.reason;
  if (tokenizer.status === 'rejected') {
    await engine.value.dispose();
    throw tokenizer.reason;
  }
  return new ChatModel(engine.value, tokenizer.value, file.metadata);
}

/** The plan as asked for, or with `fallback` the first smaller one that fits. */
async function planThatFits(file: GgufFile, options: ResolvedOptions): Promise<Plan> {
  const wanted = await tryPlan(file, options);
  if (!wanted.shortage) return wanted.plan;
  if (options.fallback) {
    for (const smaller of smallerOptions(wanted.plan?.options ?? options)) {
      options.onFallback?.(`${wanted.shortage.message}; trying ${smaller.what}`);
      const attempt = await tryPlan(file, smaller.options);
      if (!attempt.shortage) return attempt.plan;
    }
  }
  throw wanted.shortage;
}

/** A plan, and why it cannot be carried out: no memory for it, or none of WebAssembly's that is large enough. */
async function tryPlan(
  file: GgufFile,
  options: ResolvedOptions,
): Promise<{ plan: Plan; shortage?: undefined } | { plan?: Plan; shortage: ModelError }> {
  let plan: Plan;
  try {
    plan = await planModel(file, options);
  } catch (error) {
    if (error instanceof ModelError && error.code === 'ERR_SEGMENT_TOO_LARGE') return { shortage: error };
    throw error;
  }
  const estimate = await estimatePlan(plan);
  return estimate.total <= estimate.available ? { plan } : { plan, shortage: tooLarge(plan, estimate) };
}

/** A smaller context by halves, then the same with a q8_0 cache. */
function* smallerOptions(options: ResolvedOptions): Generator<{ what: string; options: ResolvedOptions }> {
  const sizes: number[] = [];
  for (let size = options.contextSize >> 1; size >= 512; size >>= 1) sizes.push(size);
  for (const kvType of [options.kvType ?? 'f16', 'q8_0'] as const) {
    for (const contextSize of sizes) {
      yield {
        what: `a context of ${contextSize} with a ${kvType} cache`,
        options: { ...options, contextSize, kvType },
      };
    }
  }
}

function tooLarge(plan: Plan, estimate: MemoryEstimate): ModelError {
  return new ModelError(
    `the model needs ${formatBytes(estimate.total)} of memory (weights ${formatBytes(estimate.weights)}, ` +
      `KV cache ${formatBytes(estimate.kvCache)} for ${plan.options.contextSize} tokens) but only ` +
      `${formatBytes(estimate.available)} of ${formatBytes(estimate.limit)} are free` +
      `${estimate.source === 'cgroup' ? ' in this container' : ''}: ` +
      'use a smaller --ctx-size, --kv-type q8_0 or a smaller quantization, or --fallback to try these in turn',
    { code: 'ERR_OUT_OF_MEMORY' },
  );
}
