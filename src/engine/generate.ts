/** The generation loop: tokens, one after another, as text that is safe to show. */
import { UsageError } from '../errors.ts';
import type { StreamDecoder, Tokenizer } from '../tokenizer/types.ts';
import type { Engine } from './engine.ts';
import { nextTask } from './next-task.ts';
import { createSampler } from './sampler.ts';
import { createSpeculator, type SpeculationPlan, type Speculator } from './speculation/speculator.ts';
import { createStopMatcher } from './stop-strings.ts';
import { TokenSource } from './token-source.ts';
import type { GenerateOptions, GenerationPart, StopReason, Timings, TokenLogprob } from './types.ts';

/** GenerateOptions with the draft model as the engine sees it. */
export interface GeneratePlan extends Omit<GenerateOptions, 'speculation'> {
  speculation?: SpeculationPlan;
}

/**
 * Continues `ids`. When the generator ends, also because its caller leaves early, the sequence holds all tokens
 * but the last one drawn, which needed no step.
 *
 * @throws ContextOverflowError when the context is full, unless `onFull` is "shift"
 */
export async function* generate(
  engine: Engine,
  tokenizer: Tokenizer,
  ids: readonly number[],
  options: GeneratePlan = {},
): AsyncGenerator<GenerationPart> {
  const { maxTokens = Infinity, onFull, speculation } = options;
  if (!(maxTokens >= 0)) throw new UsageError(`maxTokens must be 0 or more, not ${maxTokens}`);
  if (!['error', 'shift', undefined].includes(onFull)) {
    throw new UsageError(`onFull must be error or shift, not ${JSON.stringify(onFull)}`);
  }
  const sampler = createSampler(options, engine.vocabulary);
  const sequence = engine.acquire(options.sequence ?? engine.createSequence());
  try {
    const sampling = { ...options, seed: sampler.seed };
    const speculator = speculation && createSpeculator(speculation, engine, sequence, sampling);
    const source = new TokenSource({ engine, tokenizer, sampler, sequence, speculator, options });
    try {
      yield* new Generation(source, tokenizer, options, maxTokens, speculator).run(ids);
    } finally {
      source.end();
    }
  } finally {
    engine.release(sequence);
    if (!options.sequence) sequence.dispose();
  }
}

class Generation {
  private readonly source: TokenSource;
  private readonly options: GeneratePlan;
  private readonly maxTokens: number;
  private readonly speculator: Speculator | undefined;
  private readonly endOfGeneration: ReadonlySet<number>;
  private readonly decoder: StreamDecoder;

  constructor(
    source: TokenSource,
    tokenizer: Tokenizer,
    options: GeneratePlan,
    maxTokens: number,
    speculator: Speculator | undefined,
  ) {
    this.source = source;
    this.options = options;
    this.maxTokens = maxTokens;
    this.speculator = speculator;
    this.endOfGeneration = tokenizer.endOfGeneration;
    this.decoder = tokenizer.decoder();
  }

  async *run(prompt: readonly number[]): AsyncGenerator<GenerationPart> {
    const { stop = [], ignoreEos } = this.options;
    const matcher = createStopMatcher(stop);
    const started = performance.now();
    // Encoding a long prompt took its time: others run before the first step is prepared.
    await nextTask();
    const prefill = await this.source.start(prompt);
    const first = performance.now();
    let { drawn } = prefill;
    let generated = 0;
    let reason: StopReason | undefined;
    let head: Pick<GenerationPart, 'prompt'> = { prompt: { tokens: prompt.length, reused: prefill.reused } };
    // Tokens whose text is still held back, to go with the text that completes them.
    let ids: number[] = [],
      logprobs: TokenLogprob[] = [];
    while (reason === undefined) {
      if (generated >= this.maxTokens) reason = 'length';
      else if (!ignoreEos && this.endOfGeneration.has(drawn.id)) reason = 'eos';
      else {
        generated++;
        ids.push(drawn.id);
        if (drawn.logprob) logprobs.push(drawn.logprob);
        const text = matcher.push(this.decoder.push(drawn.id));
        if (matcher.stopped !== undefined) reason = 'stop';
        if (text !== '' || reason !== undefined) {
          yield { ...part(text, ids, logprobs), ...head };
          head = {};
          ids = [];
          logprobs = [];
        }
        // The last token needs no step of its own.
        const wanted = this.maxTokens - generated;
        if (reason === undefined && wanted > 0) drawn = await this.source.next(drawn.id, wanted);
      }
    }
    // An incomplete character at the end is not shown: the answer was cut inside it.
    const rest = matcher.flush();
    const counts = {
      promptTokens: prompt.length,
      reusedTokens: prefill.reused,
      generatedTokens: generated,
      draftedTokens: this.speculator?.drafted ?? 0,
      acceptedTokens: this.speculator?.accepted ?? 0,
    };
    yield {
      ...part(rest, ids, logprobs),
      ...head,
      done: { reason, timings: timings(counts, first - started, performance.now() - first) },
    };
  }
}

function part(text: string, ids: number[], logprobs: TokenLogprob[]): GenerationPart {
  return logprobs.length > 0 ? { text, ids, logprobs } : { text, ids };
}

type Counts = Pick<
  Timings,
  'promptTokens' | 'reusedTokens' | 'generatedTokens' | 'draftedTokens' | 'acceptedTokens'
>;

function timings(counts: Counts, prefillMs: number, decodeMs: number): Timings {
  const decoded = Math.max(0, counts.generatedTokens - 1);
  const rate = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0);
  return {
    ...counts,
    prefillMs,
    timeToFirstTokenMs: prefillMs,
    decodeMs,
    prefillTokensPerSecond: rate(counts.promptTokens - counts.reusedTokens, prefillMs),
    decodeTokensPerSecond: rate(decoded, decodeMs),
  };
}
