/** The public Model: an engine with its tokenizer and chat template. */
import type { Engine } from '../engine/engine.ts';
import { classify, embed } from '../engine/embed.ts';
import { generate } from '../engine/generate.ts';
import type { SpeculationPlan } from '../engine/speculation/speculator.ts';
import type {
  CacheStats,
  ChatMessage,
  Classification,
  ClassifyOptions,
  EmbedOptions,
  GenerateOptions,
  GenerationPart,
  LogitOptions,
  Model,
  ModelInfo,
  Observation,
  ObserveOptions,
  ProfileRow,
  Sequence,
  SpeculationOptions,
} from '../engine/types.ts';
import { ModelError, UsageError } from '../errors.ts';
import type { ByteSink } from '../gguf/sinks.ts';
import type { ByteSource } from '../gguf/types.ts';
import type { Metadata } from '../gguf/metadata.ts';
import type { Tokenizer } from '../tokenizer/types.ts';
import { addedText, encodePrompt } from './prompt.ts';
import { sameVocabulary } from './same-vocabulary.ts';
import { chooseTemplate, createChatTemplate, specialTokenTexts, type ChatTemplate } from './template.ts';

/** What a sequence has seen and said. */
interface Turn {
  prompt: string;
  answer: string;
  ids: readonly number[];
}

/** What a state file keeps for this class, and for its caller. */
interface Saved {
  turn?: unknown;
  extra?: unknown;
}

function isTurn(value: unknown, vocabulary: number): value is Turn {
  const turn = value as Partial<Record<keyof Turn, unknown>> | undefined;
  return (
    typeof turn?.prompt === 'string' &&
    typeof turn.answer === 'string' &&
    Array.isArray(turn.ids) &&
    turn.ids.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary)
  );
}

export class ChatModel implements Model {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: string | undefined;
  private readonly engine: Engine;
  private template: ChatTemplate | undefined;
  /** The last turn on each sequence. */
  private readonly past = new WeakMap<Sequence, Turn>();

  constructor(engine: Engine, tokenizer: Tokenizer, metadata: Metadata) {
    this.engine = engine;
    this.tokenizer = tokenizer;
    this.chatTemplate = chooseTemplate(metadata, tokenizer)?.source;
  }

  get info(): ModelInfo {
    return this.engine.info;
  }

  generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationPart> {
    const ids = typeof prompt === 'string' ? this.tokenizer.encode(prompt, { parseSpecial: true }) : prompt;
    const { speculation } = options;
    return generate(this.engine, this.tokenizer, ids, {
      ...options,
      speculation: speculation && this.speculationPlan(speculation),
    });
  }

  /** @throws UsageError when the draft model does not spell as this one does */
  private speculationPlan({ draft, ...rest }: SpeculationOptions): SpeculationPlan {
    if (!draft) return rest;
    if (!(draft instanceof ChatModel)) throw new UsageError('the draft must be a model that nibble loaded');
    if (!sameVocabulary(draft.tokenizer, this.tokenizer)) {
      throw new UsageError(
        `${draft.info.source} cannot draft for ${this.info.source}: it has another vocabulary; ` +
          'take a smaller model of the same family',
      );
    }
    return { ...rest, draft: draft.engine };
  }

  /**
   * On a sequence that holds the conversation so far, only what the new turn adds is encoded and computed: the
   * model's own tokens stay as it spelt them.
   */
  async *chat(
    messages: readonly ChatMessage[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationPart> {
    if (!Array.isArray(messages)) throw new UsageError('messages must be a list of { role, content }');
    const prompt = this.render(messages);
    const past = options.sequence && this.past.get(options.sequence);
    const added = past && addedText(past.prompt, past.answer, prompt);
    const ids =
      past && added !== undefined
        ? [...past.ids, ...this.tokenizer.encode(added, { addSpecial: false, parseSpecial: true })]
        : encodePrompt(this.tokenizer, prompt);
    const turn: Turn = { prompt, answer: '', ids };
    try {
      for await (const part of this.generate(ids, options)) {
        turn.answer += part.text;
        turn.ids = turn.ids.concat(part.ids);
        yield part;
      }
    } finally {
      if (options.sequence) this.past.set(options.sequence, turn);
    }
  }

  /**
   * The text of a conversation up to the assistant's next turn.
   *
   * @throws ModelError for a base model, which has no template
   */
  render(messages: readonly ChatMessage[]): string {
    if (this.chatTemplate === undefined) {
      throw new ModelError(`${this.info.name} is a base model without a chat template: use generate`, {
        code: 'ERR_NO_CHAT_TEMPLATE',
      });
    }
    this.template ??= createChatTemplate(this.chatTemplate, {
      ...specialTokenTexts(this.tokenizer),
      name: this.info.source,
    });
    return this.template.render(messages);
  }

  createSequence(): Sequence {
    return this.engine.createSequence();
  }

  async logits(
    ids: readonly number[],
    options: { sequence?: Sequence; signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const all = new Float32Array(ids.length * this.engine.vocabulary);
    for await (const { start, rows } of this.logitBatches(ids, options)) {
      all.set(rows, start * this.engine.vocabulary);
    }
    return all;
  }

  logitBatches(
    ids: readonly number[],
    options: LogitOptions = {},
  ): AsyncGenerator<{ start: number; rows: Float32Array }> {
    return this.engine.logitBatches(ids, options);
  }

  observe(
    ids: readonly number[],
    visit: (observation: Observation) => void,
    options?: ObserveOptions,
  ): Promise<void> {
    return this.engine.observe(ids, visit, options);
  }

  /** The last turn goes along, so that chat() knows what the sequence holds. */
  async saveState(
    sequence: Sequence,
    sink: ByteSink,
    { extra, signal }: { extra?: unknown; signal?: AbortSignal } = {},
  ): Promise<void> {
    const turn = this.past.get(sequence);
    await this.engine.saveState(sequence, sink, { extra: { turn, extra }, signal });
  }

  async loadState(
    sequence: Sequence,
    source: ByteSource,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<unknown> {
    this.past.delete(sequence);
    const saved = (await this.engine.loadState(sequence, source, signal)) as Saved | null | undefined;
    const { turn, extra } = saved ?? {};
    if (isTurn(turn, this.engine.vocabulary)) this.past.set(sequence, turn);
    return extra;
  }

  async embed(
    texts: readonly (string | readonly number[])[],
    options: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    return embed(this.engine, this.encodeAll(texts), options);
  }

  async classify(
    texts: readonly (string | readonly number[])[],
    options: ClassifyOptions = {},
  ): Promise<Classification[]> {
    return classify(this.engine, this.encodeAll(texts), options);
  }

  private encodeAll(texts: readonly (string | readonly number[])[]): (readonly number[])[] {
    if (!Array.isArray(texts))
      throw new UsageError('texts must be a list of strings or of lists of token ids');
    return texts.map((text) => (typeof text === 'string' ? this.tokenizer.encode(text) : text));
  }

  cacheStats(): CacheStats {
    return this.engine.cacheStats();
  }

  profile(): ProfileRow[] {
    return this.engine.profile();
  }

  dispose(): Promise<void> {
    return this.engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
