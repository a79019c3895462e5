/**
 * Models that reason aloud put it between <think> and </think>. The splitter tells thinking from answer while
 * the text streams in; the result does not depend on where the pieces are cut.
 */
export interface ReasoningPart {
  kind: 'thinking' | 'answer';
  /** Never empty; the tags themselves are left out. */
  text: string;
}

export interface ReasoningOptions {
  open?: string;
  close?: string;
  /** The prompt ended inside a thinking block: see `opensThinking`. */
  startInThinking?: boolean;
}

export interface ReasoningSplitter {
  /** Whether the text so far ends inside a thinking block. */
  readonly thinking: boolean;
  push(piece: string): ReasoningPart[];
  /** At the end: what was held back as the possible beginning of a tag. */
  flush(): ReasoningPart[];
}

const OPEN = '<think>';
const CLOSE = '</think>';

export function createReasoningSplitter(options: ReasoningOptions = {}): ReasoningSplitter {
  const { open = OPEN, close = CLOSE } = options;
  let thinking = options.startInThinking ?? false;
  let held = '';

  const part = (text: string): ReasoningPart[] =>
    text === '' ? [] : [{ kind: thinking ? 'thinking' : 'answer', text }];

  return {
    get thinking() {
      return thinking;
    },
    push(piece) {
      const parts: ReasoningPart[] = [];
      let text = held + piece;
      for (;;) {
        const tag = thinking ? close : open;
        const at = text.indexOf(tag);
        if (at < 0) {
          const safe = text.length - partialEnd(text, tag);
          parts.push(...part(text.slice(0, safe)));
          held = text.slice(safe);
          return parts;
        }
        parts.push(...part(text.slice(0, at)));
        text = text.slice(at + tag.length);
        thinking = !thinking;
      }
    },
    flush() {
      const parts = part(held);
      held = '';
      return parts;
    },
  };
}

/** Length of the longest end of `text` that is a proper beginning of `tag`. */
function partialEnd(text: string, tag: string): number {
  for (let n = Math.min(tag.length - 1, text.length); n > 0; n--) {
    if (tag.startsWith(text.slice(-n))) return n;
  }
  return 0;
}

/**
 * An answer without its reasoning, for the history: models are trained to see past answers only, and reasoning
 * fills the context. A block that never closes goes to the end; line breaks after a block go with it.
 */
export function stripReasoning(text: string, options: ReasoningOptions = {}): string {
  const { open = OPEN, close = CLOSE } = options;
  let thinking = options.startInThinking ?? false;
  let answer = '';
  let rest = text;
  for (;;) {
    const tag = thinking ? close : open;
    const at = rest.indexOf(tag);
    if (!thinking) answer += at < 0 ? rest : rest.slice(0, at);
    if (at < 0) return answer;
    rest = rest.slice(at + tag.length);
    if (thinking) rest = rest.replace(/^[\r\n]+/, '');
    thinking = !thinking;
  }
}

/** Whether a rendered prompt opens a thinking block for the model, as DeepSeek-R1's and Qwen3's templates do. */
export function opensThinking(renderedPrompt: string, open = OPEN): boolean {
  return renderedPrompt.trimEnd().endsWith(open);
}
