/** The generation loop: prefill, then sample and decode one token at a time, as text that is safe to show. */
import { AbortedError, ContextOverflowError, UsageError } from '../errors.ts';
import type { StreamDecoder, Tokenizer } from '../tokenizer/types.ts';
import type { Engine } from './engine.ts';
import type { KvSequence } from './kv-cache.ts';
import { nextTask } from './next-task.ts';
import { createSampler, type Sampler } from './sampler.ts';
import { createStopMatcher } from './stop-strings.ts';
import type { GenerateOptions, GenerationPart, StopReason, Timings, TokenLogprob } from './types.ts';

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
  options: GenerateOptions = {},
): AsyncGenerator<GenerationPart> {
  const maxTokens = options.maxTokens ?? Infinity;
  if (!(maxTokens >= 0)) throw new UsageError(`maxTokens must be 0 or more, not ${maxTokens}`);
  if (!['error', 'shift', undefined].includes(options.onFull)) {
    throw new UsageError(`onFull must be error or shift, not ${JSON.stringify(options.onFull)}`);
  }
  const sampler = createSampler(options, engine.vocabulary);
  const sequence = engine.acquire(options.sequence ?? engine.createSequence());
  try {
    yield* new Generation(engine, tokenizer, sampler, sequence, options, maxTokens).run(ids);
  } finally {
    engine.release(sequence);
    if (!options.sequence) sequence.dispose();
  }
}

/** A token that was drawn, and what the caller asked to know about it. */
interface Drawn {
  id: number;
  logprob?: TokenLogprob;
}

class Generation {
  private readonly engine: Engine;
  private readonly tokenizer: Tokenizer;
  private readonly sampler: Sampler;
  private readonly sequence: KvSequence;
  private readonly options: GenerateOptions;
  private readonly maxTokens: number;
  private readonly decoder: StreamDecoder;

  constructor(
    engine: Engine,
    tokenizer: Tokenizer,
    sampler: Sampler,
    sequence: KvSequence,
    options: GenerateOptions,
    maxTokens: number,
  ) {
    this.engine = engine;
    this.tokenizer = tokenizer;
    this.sampler = sampler;
    this.sequence = sequence;
    this.options = options;
    this.maxTokens = maxTokens;
    this.decoder = tokenizer.decoder();
  }

  async *run(prompt: readonly number[]): AsyncGenerator<GenerationPart> {
    const { signal, stop = [], ignoreEos } = this.options;
    const matcher = createStopMatcher(stop);
    const history = [...prompt];
    const started = performance.now();
    // Encoding a long prompt took its time: others run before the first step is prepared.
    await nextTask();
    const prefill = await this.engine.prefill(
      this.sequence,
      prompt,
      (logits) => this.draw(logits, history),
      signal,
    );
    const first = performance.now();
    let drawn = prefill.result;
    let generated = 0;
    let reason: StopReason | undefined;
    let head: Pick<GenerationPart, 'prompt'> = { prompt: { tokens: prompt.length, reused: prefill.reused } };
    // Tokens whose text is still held back, to go with the text that completes them.
    let ids: number[] = [],
      logprobs: TokenLogprob[] = [];
    while (reason === undefined) {
      if (generated >= this.maxTokens) reason = 'length';
      else if (!ignoreEos && this.tokenizer.endOfGeneration.has(drawn.id)) reason = 'eos';
      else {
        generated++;
        history.push(drawn.id);
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
        if (reason === undefined && generated < this.maxTokens) {
          drawn = await this.decode(drawn.id, history);
        }
      }
    }
    // An incomplete character at the end is not shown: the answer was cut inside it.
    const rest = matcher.flush();
    const now = performance.now();
    yield {
      ...part(rest, ids, logprobs),
      ...head,
      done: { reason, timings: timings(prompt.length, prefill.reused, generated, started, first, now) },
    };
  }

  private async decode(id: number, history: readonly number[]): Promise<Drawn> {
    const { signal, onFull } = this.options;
    if (onFull === 'shift' && this.sequence.full) return this.shift(id, history);
    if (this.sequence.tokens.length >= this.sequence.limit) {
      throw new ContextOverflowError(
        `the context of ${this.sequence.limit} tokens is full; use a larger --ctx-size, or let it shift`,
      );
    }
    return this.engine.extend(this.sequence, [id], 'last', (rows) => this.draw(rows[0]!, history), signal);
  }

  /**
   * Makes room in a full context: the oldest half goes, the first token (BOS) stays. What remains is computed
   * again at its new positions: slower than rotating the cache, but exactly what the model would have seen.
   */
  private async shift(id: number, history: readonly number[]): Promise<Drawn> {
    const { tokens } = this.sequence;
    const kept = [...tokens.slice(0, 1), ...tokens.slice(Math.floor(tokens.length / 2) + 1), id];
    const { result } = await this.engine.prefill(
      this.sequence,
      kept,
      (logits) => this.draw(logits, history),
      this.options.signal,
    );
    return result;
  }

  private draw(logits: Float32Array, history: readonly number[]): Drawn {
    if (this.options.signal?.aborted) throw new AbortedError();
    const { id } = this.sampler.sample(logits, history);
    if (this.options.logprobs === undefined) return { id };
    const { logprob, top } = this.sampler.logprobs(logits, id, this.options.logprobs);
    const text = (token: number) => this.tokenizer.decode([token], { special: true });
    return {
      id,
      logprob: { id, text: text(id), logprob, top: top.map((entry) => ({ ...entry, text: text(entry.id) })) },
    };
  }
}

function part(text: string, ids: number[], logprobs: TokenLogprob[]): GenerationPart {
  return logprobs.length > 0 ? { text, ids, logprobs } : { text, ids };
}

function timings(
  promptTokens: number,
  reusedTokens: number,
  generatedTokens: number,
  started: number,
  first: number,
  now: number,
): Timings {
  const prefillMs = first - started;
  const decodeMs = now - first;
  const decoded = Math.max(0, generatedTokens - 1);
  const rate = (tokens: number, ms: number) => (ms > 0 ? (tokens * 1000) / ms : 0);
  return {
    promptTokens,
    reusedTokens,
    generatedTokens,
    prefillMs,
    timeToFirstTokenMs: prefillMs,
    decodeMs,
    prefillTokensPerSecond: rate(promptTokens - reusedTokens, prefillMs),
    decodeTokensPerSecond: rate(decoded, decodeMs),
  };
}
