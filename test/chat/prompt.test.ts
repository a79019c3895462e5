import { describe, expect, test } from 'vitest';
import type { EncodeOptions } from '../../src/tokenizer/types.ts';
import {
  CHATML_TEMPLATE,
  addedText,
  commonPrefix,
  createChatTemplate,
  createConversation,
  encodePrompt,
} from '../../src/chat/index.ts';

describe('encodePrompt', () => {
  const optionsFor = (rendered: string, addBos: boolean, bos: number | undefined = 0): EncodeOptions => {
    let seen: EncodeOptions = {};
    const encode = (_: string | Uint8Array, options: EncodeOptions = {}): number[] => {
      seen = options;
      return [];
    };
    encodePrompt({ encode, bos, eos: 1, addBos, tokenText: (id) => ['<s>', '</s>'][id] }, rendered);
    return seen;
  };
  test('BOS once: from the template, or else where the vocabulary asks for it', () => {
    expect(optionsFor('<s>Hi', true)).toEqual({ addSpecial: false, parseSpecial: true });
    expect(optionsFor('Hi', true)).toEqual({ addSpecial: true, parseSpecial: true });
    expect(optionsFor('Hi', false)).toEqual({ addSpecial: false, parseSpecial: true });
    expect(optionsFor('Hi', true, undefined)).toEqual({ addSpecial: true, parseSpecial: true });
  });
});

describe('addedText', () => {
  test('a second turn adds to what the model has seen and said', () => {
    const template = createChatTemplate(CHATML_TEMPLATE);
    const conversation = createConversation([{ role: 'system', content: 'Be brief.' }]);
    conversation.addUser('Hi');
    const first = template.render(conversation.messages);
    conversation.addAssistant(' Hello! \n');
    conversation.addUser('Bye');
    const second = template.render(conversation.messages);
    expect(addedText(first, ' Hello! \n', second)).toBe(
      '<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
    );
  });
  test('undefined where the template rewrites the past', () => {
    const template = createChatTemplate('{% for m in messages %}[{{ m.content | trim }}]{% endfor %}');
    const said = { role: 'assistant', content: ' Hello! ' };
    const user = { role: 'user', content: 'Hi' };
    expect(
      addedText(template.render([user]), said.content, template.render([user, said, user])),
    ).toBeUndefined();
  });
});

test('commonPrefix', () => {
  expect(commonPrefix([1, 2, 3], [1, 2, 4, 5])).toBe(2);
  expect(commonPrefix([1, 2], Int32Array.of(1, 2, 3))).toBe(2);
  expect(commonPrefix([], [1])).toBe(0);
});
