/** A row of the benchmark: llama-bench's field names, and ours. */
import { arch, cpus } from 'node:os';
import type { Model } from '../../engine/types.ts';
import { mean, percentile, standardDeviation } from '../../../tools/statistics.ts';
import { rounded, roundParametersText } from '../text.ts';
import { gigabytesPerSecond, type BenchTest, type Samples } from './measure.ts';

export interface BenchRow {
  cpu_info: string;
  backends: string;
  model_filename: string;
  model_type: string;
  model_size: number;
  model_n_params: number;
  n_batch: number;
  n_threads: number;
  type_k: string;
  type_v: string;
  n_prompt: number;
  n_gen: number;
  test_time: string;
  avg_ns: number;
  stddev_ns: number;
  avg_ts: number;
  stddev_ts: number;
  samples_ns: number[];
  samples_ts: number[];
  ttft_ms: number;
  itl_p50_ms: number | null;
  itl_p95_ms: number | null;
  load_ms: number;
  /** Bytes; the largest of the process so far. */
  peak_rss: number;
  cpu_percent: number;
  gb_per_s: number | null;
  activations: string;
  kernel_variant: string;
  node_version: string;
}

export function benchRow(model: Model, test: BenchTest, samples: Samples, batch: number): BenchRow {
  const { info } = model;
  const orNull = (value: number | undefined): number | null => (value === undefined ? null : rounded(value));
  return {
    cpu_info: cpus()[0]?.model.trim() || arch(),
    backends: 'WASM',
    model_filename: info.source,
    model_type: `${info.architecture} ${roundParametersText(info.parameters)} ${info.fileType}`,
    model_size: info.fileBytes,
    model_n_params: info.parameters,
    n_batch: batch,
    n_threads: info.threads,
    type_k: info.kvType,
    type_v: info.kvType,
    n_prompt: test.prompt,
    n_gen: test.generate,
    test_time: new Date().toISOString(),
    avg_ns: Math.round(mean(samples.nanoseconds)),
    stddev_ns: Math.round(standardDeviation(samples.nanoseconds)),
    avg_ts: rounded(mean(samples.tokensPerSecond)),
    stddev_ts: rounded(standardDeviation(samples.tokensPerSecond)),
    samples_ns: samples.nanoseconds,
    samples_ts: samples.tokensPerSecond.map((value) => rounded(value)),
    ttft_ms: rounded(mean(samples.timeToFirstTokenMs)),
    itl_p50_ms: orNull(percentile(samples.interTokenMs, 0.5)),
    itl_p95_ms: orNull(percentile(samples.interTokenMs, 0.95)),
    load_ms: rounded(info.loadMs),
    // Node gives kilobytes on every system.
    peak_rss: process.resourceUsage().maxRSS * 1024,
    cpu_percent: rounded(samples.cpuPercent, 1),
    gb_per_s: orNull(gigabytesPerSecond(model, test, samples)),
    activations: info.activations,
    kernel_variant: info.variant,
    node_version: process.version,
  };
}
