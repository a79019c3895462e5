/** The tokens of one generation, one after another: prefill, then a step for each, or one for several proposals. */
import { AbortedError, ContextOverflowError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/types.ts';
import type { Engine } from './engine.ts';
import type { KvSequence } from './kv-cache.ts';
import type { OutputRow } from './output-row.ts';
import type { Sampler } from './sampler.ts';
import type { Speculator } from './speculation/speculator.ts';
import type { Proposal } from './speculation/types.ts';
import type { GenerateOptions, TokenLogprob } from './types.ts';

/** A token that was drawn, and what the caller asked to know about it. */
export interface Drawn {
  id: number;
  logprob?: TokenLogprob;
}

export interface TokenSourceParts {
  engine: Engine;
  tokenizer: Tokenizer;
  sampler: Sampler;
  sequence: KvSequence;
  /** Absent: one step per token. */
  speculator?: Speculator;
  options: Pick<GenerateOptions, 'logprobs' | 'onFull' | 'signal'>;
}

export class TokenSource {
  private readonly parts: TokenSourceParts;
  /** Prompt and answer: what the penalties look at. */
  private history: number[] = [];
  /** Drawn already, and all but the last of them in the cache: accepted proposals. */
  private ahead: Drawn[] = [];

  constructor(parts: TokenSourceParts) {
    this.parts = parts;
  }

  /** The first token after the prompt, and how much of the prompt was in the cache. */
  async start(prompt: readonly number[]): Promise<{ reused: number; drawn: Drawn }> {
    this.history = [...prompt];
    const { reused, result } = await this.prefill(prompt);
    return { reused, drawn: result };
  }

  /**
   * The token after `id`, which was the one before.
   *
   * @param wanted tokens that the caller still takes at most
   * @throws ContextOverflowError when the context is full, unless `onFull` is "shift"
   */
  async next(id: number, wanted: number): Promise<Drawn> {
    this.history.push(id);
    if (this.ahead.length === 0) this.ahead = await this.decode(id, wanted);
    return this.ahead.shift()!;
  }

  /** Takes back what was accepted ahead of the last token that `next` returned. */
  end(): void {
    const { sequence } = this.parts;
    if (this.ahead.length > 0) sequence.truncate(sequence.tokens.length - this.ahead.length);
    this.ahead = [];
  }

  private prefill(ids: readonly number[]): Promise<{ reused: number; result: Drawn }> {
    const { engine, sequence, options } = this.parts;
    return engine.prefill(sequence, ids, (logits) => this.draw(logits), options.signal);
  }

  private async decode(id: number, wanted: number): Promise<Drawn[]> {
    const { engine, sequence, options } = this.parts;
    if (options.onFull === 'shift' && sequence.room <= 0) return [await this.shift(id)];
    if (sequence.tokens.length >= sequence.limit) {
      throw new ContextOverflowError(
        `the context of ${sequence.limit} tokens is full; use a larger --ctx-size, or let it shift`,
      );
    }
    const proposal = await this.propose(id, wanted);
    if (proposal.ids.length > 0) return this.verify(id, proposal);
    const read = (rows: OutputRow[]) => this.draw(rows[0]!);
    return [await engine.extend(sequence, [id], 'last', read, options.signal)];
  }

  private async propose(id: number, wanted: number): Promise<Proposal> {
    const { engine, sequence, speculator, options } = this.parts;
    if (!speculator) return { ids: [] };
    // One row and one place are the token's own; and of the wanted tokens, the last one needs no proposal.
    const most = Math.min(engine.mostRows - 1, sequence.room - 1, wanted - 1);
    const visible = () => [...sequence.tokens, id];
    return speculator.propose({ history: this.history, visible, most, signal: options.signal });
  }

  /** One step over the last token and what is proposed to follow it; the cache keeps what was right. */
  private verify(id: number, { ids, drawnFrom }: Proposal): Promise<Drawn[]> {
    const { engine, sequence, speculator, sampler, options } = this.parts;
    const start = sequence.tokens.length;
    const known = this.history.length;
    const judge = (rows: OutputRow[]): Drawn[] => {
      const drawn: Drawn[] = [];
      try {
        if (options.signal?.aborted) throw new AbortedError();
        for (const [i, proposed] of ids.entries()) {
          const verdict = sampler.judge(rows[i]!, this.history, proposed, drawnFrom?.[i]);
          drawn.push(this.explain(rows[i]!, verdict.id));
          if (!verdict.accepted) break;
          this.history.push(verdict.id);
          if (i === ids.length - 1) drawn.push(this.draw(rows[i + 1]!));
        }
      } finally {
        // `next` adds them as they are asked for.
        this.history.length = known;
        sequence.truncate(start + Math.max(1, drawn.length));
      }
      speculator!.learn(drawn.length - 1);
      return drawn;
    };
    return engine.extend(sequence, [id, ...ids], 'all', judge, options.signal);
  }

  /**
   * Makes room in a full context: the oldest half goes, the first token (BOS) stays. What remains is computed
   * again at its new positions: slower than rotating the cache, but exactly what the model would have seen.
   */
  private async shift(id: number): Promise<Drawn> {
    const { tokens } = this.parts.sequence;
    const kept = [...tokens.slice(0, 1), ...tokens.slice(Math.floor(tokens.length / 2) + 1), id];
    return (await this.prefill(kept)).result;
  }

  private draw(logits: OutputRow): Drawn {
    if (this.parts.options.signal?.aborted) throw new AbortedError();
    return this.explain(logits, this.parts.sampler.sample(logits, this.history).id);
  }

  private explain({ values }: OutputRow, id: number): Drawn {
    const { tokenizer, sampler, options } = this.parts;
    if (options.logprobs === undefined) return { id };
    const { logprob, top } = sampler.logprobs(values, id, options.logprobs);
    const text = (token: number) => tokenizer.decode([token], { special: true });
    return {
      id,
      logprob: { id, text: text(id), logprob, top: top.map((entry) => ({ ...entry, text: text(entry.id) })) },
    };
  }
}
