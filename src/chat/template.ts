/** Chat templates: which one a file uses, and messages rendered through it. */
import { ModelError, UsageError } from '../errors.ts';
import type { ChatMessage } from '../engine/types.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { Tokenizer } from '../tokenizer/types.ts';
import { TemplateRefusal, parseTemplate, runTemplate } from './sandbox.ts';
import { strftime } from './strftime.ts';

/** The commonest chat format, for files that bring no template. */
export const CHATML_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const TEMPLATE_KEY = 'tokenizer.chat_template';

export interface ChosenTemplate {
  source: string;
  /** `chatml`: the file has none, but its vocabulary has ChatML's markers. */
  origin: 'file' | 'chatml';
}

/**
 * The file's own template; else ChatML where the vocabulary has `<|im_start|>`; else undefined: a base model,
 * which continues text and knows no turns.
 * @throws ModelError when the metadata holds something else than a string
 */
export function chooseTemplate(
  metadata: ReadonlyMap<string, GgufValue>,
  tokenizer: Pick<Tokenizer, 'tokenId'>,
): ChosenTemplate | undefined {
  const source = metadata.get(TEMPLATE_KEY);
  if (source !== undefined && typeof source !== 'string') {
    throw new ModelError(`the file's ${TEMPLATE_KEY} is not a string`, { code: 'ERR_CHAT_TEMPLATE' });
  }
  if (source !== undefined && source.trim() !== '') return { source, origin: 'file' };
  if (tokenizer.tokenId('<|im_start|>') !== undefined) return { source: CHATML_TEMPLATE, origin: 'chatml' };
  return undefined;
}

export interface ChatTemplateOptions {
  /** Texts of the vocabulary's special tokens; default ''. See `specialTokenTexts`. */
  bosToken?: string;
  eosToken?: string;
  /** The file's name, for messages. */
  name?: string;
  /**
   * What `strftime_now` calls now; default: when the template is created. Fixed, because a clock inside the
   * system prompt would change the beginning of every turn and cost the whole cached prefix.
   */
  now?: Date;
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn; default true. */
  addGenerationPrompt?: boolean;
  /** Further variables, such as `enable_thinking` or `tools`. */
  variables?: Record<string, unknown>;
}

export interface ChatTemplate {
  readonly source: string;
  /**
   * Whether a system message shows in the rendered text. Where it does not, `render` puts the system prompt in
   * front of the first user message instead of losing it.
   */
  readonly supportsSystem: boolean;
  /** @throws ModelError: code ERR_CHAT_MESSAGES when the template refuses the messages, else ERR_CHAT_TEMPLATE */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/** bos_token and eos_token as templates know them: the tokens' texts in the vocabulary. */
export function specialTokenTexts(
  tokenizer: Pick<Tokenizer, 'bos' | 'eos' | 'tokenText'>,
): Required<Pick<ChatTemplateOptions, 'bosToken' | 'eosToken'>> {
  const text = (id: number | undefined): string => (id === undefined ? '' : (tokenizer.tokenText(id) ?? ''));
  return { bosToken: text(tokenizer.bos), eosToken: text(tokenizer.eos) };
}

const SYSTEM_PROBE = 'nibble-system-probe';

/** @throws ModelError (ERR_CHAT_TEMPLATE) when the source is not a Jinja template */
export function createChatTemplate(source: string, options: ChatTemplateOptions = {}): ChatTemplate {
  const { bosToken = '', eosToken = '', now = new Date() } = options;
  const name = `the chat template${options.name ? ` of ${options.name}` : ''} (${TEMPLATE_KEY})`;
  const program = guard(name, 'cannot be parsed', () => parseTemplate(source));
  const functions = { strftime_now: (format: string) => strftime(now, format) };

  const run = (messages: readonly ChatMessage[], { addGenerationPrompt, variables }: RenderOptions): string =>
    guard(name, 'failed', () =>
      runTemplate(program, functions, {
        ...variables,
        // Copies: Object.entries of what the caller passed, so that fields such as tool_calls reach the template.
        messages: messages.map((message) => ({ ...message })),
        bos_token: bosToken,
        eos_token: eosToken,
        add_generation_prompt: addGenerationPrompt ?? true,
      }),
    );

  const probeSystem = (): boolean => {
    try {
      const probe = [
        { role: 'system', content: SYSTEM_PROBE },
        { role: 'user', content: 'x' },
      ];
      return run(probe, {}).includes(SYSTEM_PROBE);
    } catch {
      return false; // such as Gemma's raise_exception('System role not supported')
    }
  };
  let supportsSystem: boolean | undefined;

  return {
    source,
    get supportsSystem() {
      return (supportsSystem ??= probeSystem());
    },
    render(messages, renderOptions = {}) {
      checkMessages(messages);
      const merge = messages[0]?.role === 'system' && messages[1]?.role === 'user' && !this.supportsSystem;
      return run(merge ? mergeSystem(messages) : messages, renderOptions);
    },
  };
}

function mergeSystem([system, user, ...rest]: readonly ChatMessage[]): ChatMessage[] {
  const content = [system!.content, user!.content].filter((text) => text !== '').join('\n\n');
  return [{ ...user!, content }, ...rest];
}

function checkMessages(messages: readonly ChatMessage[]): void {
  for (const [i, message] of messages.entries()) {
    if (typeof message?.role !== 'string' || typeof message.content !== 'string') {
      throw new UsageError(`messages[${i}] needs a role and a content, both strings`);
    }
  }
}

function guard<T>(name: string, verb: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof TemplateRefusal) {
      throw new ModelError(`${name} refuses these messages: ${cause.message}`, {
        cause,
        code: 'ERR_CHAT_MESSAGES',
      });
    }
    // The stack ran over: V8's text for it would say nothing to a reader.
    const overflow = cause instanceof RangeError && /call stack/.test(cause.message);
    const reason = overflow
      ? 'it is nested too deeply'
      : cause instanceof Error
        ? cause.message
        : String(cause);
    throw new ModelError(`${name} ${verb}: ${reason}`, { cause, code: 'ERR_CHAT_TEMPLATE' });
  }
}
