import { describe, expect, test } from 'vitest';
import { ModelError, NibbleError, UsageError } from '../../src/errors.ts';
import type { ChatMessage } from '../../src/engine/types.ts';
import {
  CHATML_TEMPLATE,
  chooseTemplate,
  createChatTemplate,
  specialTokenTexts,
} from '../../src/chat/index.ts';

const hello: ChatMessage[] = [{ role: 'user', content: 'Hello' }];
const withSystem: ChatMessage[] = [{ role: 'system', content: 'Be brief.' }, ...hello];

const vocabulary = (...tokens: string[]) => ({
  tokenId: (text: string): number | undefined => {
    const id = tokens.indexOf(text);
    return id < 0 ? undefined : id;
  },
});

function errorOf(action: () => unknown): NibbleError {
  try {
    action();
  } catch (error) {
    if (error instanceof NibbleError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('chooseTemplate', () => {
  const key = 'tokenizer.chat_template';
  test('the file’s own comes first', () => {
    const chosen = chooseTemplate(new Map([[key, 'x']]), vocabulary('<|im_start|>'));
    expect(chosen).toEqual({ source: 'x', origin: 'file' });
  });
  test('ChatML where the vocabulary has its marker, else nothing', () => {
    const expected = { source: CHATML_TEMPLATE, origin: 'chatml' };
    expect(chooseTemplate(new Map(), vocabulary('<|im_start|>'))).toEqual(expected);
    expect(chooseTemplate(new Map([[key, ' \n']]), vocabulary('<|im_start|>'))).toEqual(expected);
    expect(chooseTemplate(new Map(), vocabulary('<s>'))).toBeUndefined();
  });
  test('metadata of another type is a ModelError', () => {
    expect(() => chooseTemplate(new Map([[key, 7]]), vocabulary())).toThrow(ModelError);
  });
});

test('specialTokenTexts: texts of BOS and EOS, empty where there are none', () => {
  const tokenText = (id: number): string | undefined => ['<s>', '</s>'][id];
  expect(specialTokenTexts({ bos: 0, eos: 1, tokenText })).toEqual({ bosToken: '<s>', eosToken: '</s>' });
  expect(specialTokenTexts({ bos: undefined, eos: 9, tokenText })).toEqual({ bosToken: '', eosToken: '' });
});

describe('rendering', () => {
  test('ChatML', () => {
    expect(createChatTemplate(CHATML_TEMPLATE).render(withSystem)).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    );
  });
  test('special tokens, extra variables, fields of messages, Python’s globals', () => {
    const template = createChatTemplate(
      '{{ bos_token }}{{ messages[0].content }}{{ messages[0].extra }}{{ flag }}{% if True and not False and none is none %}T{% endif %}' +
        '{% for i in range(3) %}{{ i }}{% endfor %}{{ range(5, 0, -2) | join("") }}{{ eos_token }}',
      { bosToken: '<s>', eosToken: '</s>' },
    );
    const message = { role: 'user', content: 'hi', extra: '!' };
    expect(template.render([message], { variables: { flag: 7 } })).toBe('<s>hi!7T012531</s>');
  });
  test('a variable cannot replace the messages', () => {
    const template = createChatTemplate('{{ messages[0].content }}');
    expect(template.render(hello, { variables: { messages: [], namespace: 1 } })).toBe('Hello');
  });
  test('strftime_now is English and stands still', () => {
    const template = createChatTemplate('{{ strftime_now("%d %b %Y|%A %-d %B|%I:%M:%S %p|%j|%%|%Q") }}', {
      now: new Date(2024, 6, 6, 15, 4, 5),
    });
    expect(template.render(hello)).toBe('06 Jul 2024|Saturday 6 July|03:04:05 PM|188|%|%Q');
    const clock = createChatTemplate('{{ strftime_now("%H:%M:%S") }}');
    expect(clock.render(hello)).toBe(clock.render(hello));
  });
  test('messages are checked', () => {
    const template = createChatTemplate(CHATML_TEMPLATE);
    expect(() => template.render([{ role: 'user' } as ChatMessage])).toThrow(UsageError);
    expect(() => template.render([null as unknown as ChatMessage])).toThrow('messages[0]');
  });
});

describe('templates without a system role', () => {
  const refusing =
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}";
  const ignoring =
    "{% for m in messages if m['role'] != 'system' %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}";
  test.each([refusing, ignoring])('the system prompt goes before the first user message', (source) => {
    const template = createChatTemplate(source);
    expect(template.supportsSystem).toBe(false);
    expect(template.render(withSystem)).toBe('[user]Be brief.\n\nHello');
    const empty = [{ role: 'system', content: '' }, ...hello];
    expect(template.render(empty)).toBe('[user]Hello');
  });
  test('others get it as it is', () => {
    expect(createChatTemplate(CHATML_TEMPLATE).supportsSystem).toBe(true);
  });
});

describe('broken templates', () => {
  test('a syntax error names the file and the reason', () => {
    const error = errorOf(() => createChatTemplate('{% for m in %}', { name: 'model.gguf' }));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.code).toBe('ERR_CHAT_TEMPLATE');
    expect(error.message).toMatch(
      /^the chat template of model\.gguf \(tokenizer\.chat_template\) cannot be parsed: ./,
    );
  });
  test('a failure while rendering does too', () => {
    const error = errorOf(() => createChatTemplate('{{ nothing() }}', { name: 'model.gguf' }).render(hello));
    expect(error.code).toBe('ERR_CHAT_TEMPLATE');
    expect(error.message).toMatch(/of model\.gguf .* failed: ./);
  });
  test('raise_exception is a refusal, with the template’s words', () => {
    const template = createChatTemplate("{{ raise_exception('roles must alternate') }}", { name: 'm.gguf' });
    const error = errorOf(() => template.render(hello));
    expect(error.code).toBe('ERR_CHAT_MESSAGES');
    expect(error.message).toBe(
      'the chat template of m.gguf (tokenizer.chat_template) refuses these messages: roles must alternate',
    );
  });
});

describe('hostile templates end in an error, soon', () => {
  const hostile: Record<string, [string, RegExp]> = {
    'nested loops': [
      '{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}',
      /takes longer than|come to an end/,
    ],
    'a huge range': ['{% for i in range(10000000000) %}x{% endfor %}', /limited to 100000/],
    'a doubling string': [
      "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
      /too long/,
    ],
    'a doubling list': [
      '{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l | length }}',
      /too long/,
    ],
    'many long strings': [
      "{% set ns = namespace(s='x') %}{% for i in range(24) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}" +
        '{% for i in range(9999) %}{% set t = ns.s | upper %}{% endfor %}',
      /too much text/,
    ],
    'endless recursion': ['{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', /nested too deeply/],
    'deep nesting': ['{{ ' + '('.repeat(50_000) + '1' + ')'.repeat(50_000) + ' }}', /nested too deeply/],
    'a long run of blanks': [' '.repeat(200_000), /blanks in a row/],
    'a source without end': ['x'.repeat(2 << 20), /source is too long/],
  };
  test.each(Object.entries(hostile))('%s', (_, [source, reason]) => {
    const start = performance.now();
    const error = errorOf(() => createChatTemplate(source).render(hello));
    expect(error).toBeInstanceOf(ModelError);
    expect(error.code).toBe('ERR_CHAT_TEMPLATE');
    expect(error.message).toMatch(reason);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
  test.each([
    '{{ messages.constructor.constructor("return process")() }}',
    '{{ "".constructor.constructor("return process")() }}',
    '{{ range.constructor("return process")() }}',
    '{{ messages[0].__proto__.polluted }}{{ messages[0].constructor.name }}',
  ])('%s reaches no JavaScript object', (source) => {
    let result = '';
    try {
      result = createChatTemplate(source).render(hello);
    } catch (error) {
      expect(error).toBeInstanceOf(ModelError);
    }
    expect(result).not.toMatch(/process|Object|Function/);
  });
});
