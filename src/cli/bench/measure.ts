/** Times one test of the benchmark on a loaded model. */
import type { Model, Timings } from '../../engine/types.ts';
import { mean } from '../../../tools/statistics.ts';

/** As in llama-bench: either a prompt is read (`pp`) or tokens are generated (`tg`). */
export interface BenchTest {
  prompt: number;
  generate: number;
}

/** One repetition each. */
export interface Samples {
  nanoseconds: number[];
  tokensPerSecond: number[];
  timeToFirstTokenMs: number[];
  /** Of all repetitions together; empty for `pp`. */
  interTokenMs: number[];
  /** CPU time of the process / wall time, in percent: 200 is two cores. */
  cpuPercent: number;
}

export interface MeasureOptions {
  repetitions: number;
  warmup: boolean;
  signal: AbortSignal;
  onRepetition: (done: number) => void;
}

/** The memory that the context needs for a test. */
export function contextOf({ prompt, generate }: BenchTest): number {
  return generate > 0 ? generate + 2 : prompt + 1;
}

export async function measureTest(
  model: Model,
  test: BenchTest,
  { repetitions, warmup, signal, onRepetition }: MeasureOptions,
): Promise<Samples> {
  // The first run compiles hot code and touches memory: it says little about the others.
  if (warmup) await runOnce(model, test, 0, signal);
  const samples: Samples = {
    nanoseconds: [],
    tokensPerSecond: [],
    timeToFirstTokenMs: [],
    interTokenMs: [],
    cpuPercent: 0,
  };
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  for (let i = 0; i < repetitions; i++) {
    const { milliseconds, timeToFirstTokenMs, interTokenMs } = await runOnce(model, test, i + 1, signal);
    samples.nanoseconds.push(Math.round(milliseconds * 1e6));
    samples.tokensPerSecond.push(((test.generate || test.prompt) * 1000) / milliseconds);
    samples.timeToFirstTokenMs.push(timeToFirstTokenMs);
    samples.interTokenMs.push(...interTokenMs);
    onRepetition(i + 1);
  }
  const cpu = process.cpuUsage(cpuBefore);
  samples.cpuPercent = (cpu.user + cpu.system) / 10 / (performance.now() - before);
  return samples;
}

interface Run {
  milliseconds: number;
  timeToFirstTokenMs: number;
  interTokenMs: number[];
}

/**
 * `pp`: a prompt of random tokens up to its first token. `tg`: one token as prompt, then generate + 1 tokens; the
 * time of the first belongs to the prompt.
 */
async function runOnce(model: Model, test: BenchTest, seed: number, signal: AbortSignal): Promise<Run> {
  const { generate, prompt } = test;
  const ids = randomIds(generate > 0 ? 1 : prompt, model.info.vocabularySize, seed);
  const started = performance.now();
  const times: number[] = [];
  let timings: Timings | undefined;
  const options = { maxTokens: generate + 1, ignoreEos: true, temperature: 0, signal };
  for await (const part of model.generate(ids, options)) {
    const now = performance.now();
    // A part may bring several tokens; what they took is shared among them.
    const previous = times.at(-1) ?? started;
    part.ids.forEach((_, i) => times.push(previous + ((now - previous) * (i + 1)) / part.ids.length));
    timings = part.done?.timings;
  }
  const { timeToFirstTokenMs, prefillMs, decodeMs } = timings!;
  return {
    milliseconds: generate > 0 ? decodeMs : prefillMs,
    timeToFirstTokenMs,
    interTokenMs: times.slice(1).map((time, i) => time - times[i]!),
  };
}

/** Other tokens in every run, so that no cache of a prefix can help; the same ones in every benchmark. */
export function randomIds(count: number, vocabulary: number, seed: number): number[] {
  let state = (seed * 0x9e3779b1 + 0x85ebca6b) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabulary);
  });
}

/** Bytes of weights read per second: in `tg` every token reads the whole model once, of experts those that it uses. */
export function gigabytesPerSecond(model: Model, test: BenchTest, samples: Samples): number | undefined {
  if (test.generate === 0) return undefined;
  return (model.info.bytesPerToken * mean(samples.tokensPerSecond)) / 1e9;
}
