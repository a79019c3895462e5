/** One conversation with a model: turns, what they cost, and what happens when the context is full. */
import { chooseReserve } from './reserve.ts';
import {
  createChatTemplate,
  createConversation,
  createReasoningSplitter,
  encodePrompt,
  loadConversation,
  opensThinking,
  saveConversation,
  specialTokenTexts,
  stripReasoning,
  type ChatTemplate,
  type Conversation,
  type ReasoningPart,
} from '../../chat/index.ts';
import { StateError } from '../../errors.ts';
import type { GenerateOptions, GenerationPart, Model, Sequence } from '../../engine/types.ts';
import { countText } from '../text.ts';
import { measure, type Measured } from '../timings.ts';

/** Tokens of a base model's answer where no limit is given: its text need never end. */
export const MOST_CONTINUED = 256;

export interface TurnView {
  onPart(part: ReasoningPart): void;
  /** Something the user should know, such as dropped turns. */
  onNote(text: string): void;
}

export interface Turn extends Measured {
  /** What goes into the history: `text` without its reasoning. */
  answer: string;
  thinking: string;
}

export class ChatSession {
  readonly model: Model;
  /** Sampling and limits; /set changes them. */
  readonly options: GenerateOptions;
  conversation: Conversation = createConversation();
  lastTurn: Turn | undefined;
  private readonly sequence: Sequence;
  private readonly template: ChatTemplate | undefined;
  private readonly onFull: 'shift' | 'error';

  constructor(model: Model, options: GenerateOptions, onFull: 'shift' | 'error') {
    this.model = model;
    this.options = { ...options };
    this.onFull = onFull;
    // One sequence for the conversation: a turn computes only what is new since the last.
    this.sequence = model.createSequence();
    if (model.chatTemplate !== undefined) {
      this.template = createChatTemplate(model.chatTemplate, specialTokenTexts(model.tokenizer));
    } else if (!('maxTokens' in options)) this.options.maxTokens = MOST_CONTINUED;
  }

  /** Without a chat template the model only continues text. */
  get isBase(): boolean {
    return this.template === undefined;
  }

  get contextUsed(): number {
    return this.sequence.tokens.length;
  }

  /** Forgets the turns; the system prompt stays. */
  clear(): void {
    this.conversation.clear();
    this.sequence.clear();
    this.lastTurn = undefined;
  }

  /** Saves the conversation with its keys and values, so that it can go on without computing them again. */
  async save(path: string): Promise<void> {
    const { saveState } = await import('../../index.ts');
    const conversation = saveConversation(this.conversation, this.model.info.name);
    await saveState(this.model, this.sequence, path, { extra: { conversation } });
  }

  /** @throws StateError for a file of another model, or one that holds no conversation */
  async load(path: string, signal?: AbortSignal): Promise<void> {
    const { loadState } = await import('../../index.ts');
    const extra = await loadState(this.model, this.sequence, path, { signal });
    const text = (extra as { conversation?: unknown } | null | undefined)?.conversation;
    if (typeof text !== 'string') throw new StateError(`${path}: holds a text, not a conversation`);
    this.conversation = loadConversation(text, path).conversation;
    this.lastTurn = undefined;
  }

  dispose(): void {
    this.sequence.dispose();
  }

  /**
   * Answers `text`, or once more the last message where there is none. An interrupted answer stays in the history
   * as far as it came; after an error the user's message is taken back.
   */
  async answer(text: string | undefined, view: TurnView, signal: AbortSignal): Promise<Turn> {
    const before = this.conversation.messages;
    if (text !== undefined) this.conversation.addUser(text);
    try {
      const turn = await (this.template
        ? this.chatTurn(this.template, view, signal)
        : this.plainTurn(view, signal));
      // Stopped before it began: as if it had not been asked.
      if (turn.answer === '' && turn.reason === 'interrupted') this.conversation = createConversation(before);
      else this.conversation.addAssistant(turn.answer);
      this.lastTurn = turn;
      return turn;
    } catch (error) {
      this.conversation = createConversation(before);
      throw error;
    }
  }

  private async chatTurn(template: ChatTemplate, view: TurnView, signal: AbortSignal): Promise<Turn> {
    if (this.onFull === 'shift') this.makeRoom(template, view);
    const startInThinking = opensThinking(template.render(this.conversation.messages));
    const splitter = createReasoningSplitter({ startInThinking });
    const parts = this.model.chat(this.conversation.messages, this.generateOptions(signal));
    const { measured, thinking } = await this.stream(parts, splitter, view);
    const answer = stripReasoning(measured.text, { startInThinking }).trim();
    return { ...measured, answer, thinking };
  }

  /** A base model sees the last message only, as the beginning of a text. */
  private async plainTurn(view: TurnView, signal: AbortSignal): Promise<Turn> {
    const prompt = this.conversation.messages.at(-1)!.content;
    const parts = this.model.generate(prompt, this.generateOptions(signal));
    const { measured } = await this.stream(parts, undefined, view);
    return { ...measured, answer: measured.text, thinking: '' };
  }

  private generateOptions(signal: AbortSignal): GenerateOptions {
    return { ...this.options, sequence: this.sequence, onFull: this.onFull, signal };
  }

  private async stream(
    parts: AsyncIterable<GenerationPart>,
    splitter: ReturnType<typeof createReasoningSplitter> | undefined,
    view: TurnView,
  ): Promise<{ measured: Measured; thinking: string }> {
    let thinking = '';
    const show = (found: ReasoningPart[]): void => {
      for (const part of found) {
        if (part.kind === 'thinking') thinking += part.text;
        view.onPart(part);
      }
    };
    const measured = await measure(parts, ({ text }) => {
      if (text !== '') show(splitter ? splitter.push(text) : [{ kind: 'answer', text }]);
    });
    if (splitter) show(splitter.flush());
    const { contextSize } = this.model.info;
    const { promptTokens, generatedTokens } = measured.timings;
    if (measured.reason === 'context') {
      view.onNote('the context is full: the answer ends here (/clear starts again, --ctx-size makes room)');
    } else if (measured.reason !== 'interrupted' && promptTokens + generatedTokens > contextSize) {
      view.onNote('the context was full: the model no longer saw the beginning');
    }
    return { measured, thinking };
  }

  /** Drops the oldest turns until the prompt leaves room for an answer. */
  private makeRoom(template: ChatTemplate, view: TurnView): void {
    const { contextSize } = this.model.info;
    const limit = contextSize - chooseReserve(contextSize, this.options.maxTokens);
    let dropped = 0;
    while (this.promptTokens(template) > limit) {
      const messages = this.conversation.dropOldest();
      if (messages === 0) break;
      dropped += messages;
    }
    if (dropped > 0) {
      view.onNote(
        `the context of ${contextSize} tokens is full: dropped the oldest ${countText(dropped, 'message')}`,
      );
    }
  }

  private promptTokens(template: ChatTemplate): number {
    return encodePrompt(this.model.tokenizer, template.render(this.conversation.messages)).length;
  }
}
