/** How a text is generated: options of `generate` and `chat`, and the parts that they give. */
import type { Model, Sequence } from './types.ts';

/** How the next token is drawn. Defaults (in sampler.ts) are those of llama.cpp's command line. */
export interface SamplingOptions {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  typicalP?: number;
  repeatPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** How many of the last tokens the penalties look at; 0 is off, -1 the whole context. */
  repeatLastN?: number;
  seed?: number;
  /** Added to the logits: token id -> bias. */
  logitBias?: ReadonlyMap<number, number>;
}

/** Several tokens a step: something cheap proposes them, one step of the model judges them all. */
export interface SpeculationOptions {
  /**
   * Propose what followed the last tokens where they stood before, in the prompt or the answer. The answer is the
   * same token for token, sampled or not.
   */
  lookup?: boolean;
  /**
   * A smaller model with the same vocabulary proposes (after `lookup`, where that finds nothing). Greedy answers are
   * the same token for token; sampled ones have the same distribution.
   */
  draft?: Model;
  /** Proposals per step at most; default 32. Fewer where they are often wrong. */
  draftMax?: number;
}

export interface GenerateOptions extends SamplingOptions {
  maxTokens?: number;
  /** Generation ends before any of these strings, also where one spans several tokens. */
  stop?: readonly string[];
  /** Go on after an end-of-generation token. */
  ignoreEos?: boolean;
  /** Return the log probability of each token and of this many alternatives. */
  logprobs?: number;
  /** When the context is full: stop with a ContextOverflowError (default) or drop the oldest half of the turn. */
  onFull?: 'error' | 'shift';
  speculation?: SpeculationOptions;
  /** Continue on this sequence (its prefix is reused); default: a fresh one that is freed at the end. */
  sequence?: Sequence;
  signal?: AbortSignal;
}

export interface TokenLogprob {
  id: number;
  text: string;
  logprob: number;
  top: { id: number; text: string; logprob: number }[];
}

/** A piece of generated text. `text` never ends inside a UTF-8 character, and may be empty in the last part. */
export interface GenerationPart {
  text: string;
  ids: number[];
  logprobs?: TokenLogprob[];
  /** Present in the first part only: the prompt's tokens, and how many of them were in the cache already. */
  prompt?: { tokens: number; reused: number };
  /** Present in the last part only. */
  done?: GenerationResult;
}

export type StopReason = 'eos' | 'length' | 'stop' | 'context';

export interface GenerationResult {
  reason: StopReason;
  timings: Timings;
}

export interface Timings {
  promptTokens: number;
  /** Prompt tokens found in the cache, not computed again. */
  reusedTokens: number;
  generatedTokens: number;
  /** Tokens that were proposed to the model, and how many of them it accepted: see `speculation`. */
  draftedTokens: number;
  acceptedTokens: number;
  prefillMs: number;
  timeToFirstTokenMs: number;
  decodeMs: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
}
