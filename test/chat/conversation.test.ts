import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import {
  type ChatMessage,
  createConversation,
  loadConversation,
  saveConversation,
} from '../../src/chat/index.ts';

const roles = (messages: readonly ChatMessage[]): string => messages.map(({ role }) => role[0]).join('');

function talk() {
  const conversation = createConversation([{ role: 'system', content: 'S' }]);
  for (const n of [1, 2, 3]) {
    conversation.addUser(`question ${n}`);
    conversation.addAssistant(`answer ${n}`);
  }
  return conversation;
}

describe('a conversation', () => {
  test('keeps order; its messages are copies', () => {
    const conversation = talk();
    expect(roles(conversation.messages)).toBe('suauaua');
    conversation.messages[1]!.content = 'changed';
    expect(conversation.messages[1]!.content).toBe('question 1');
  });
  test('regenerate takes back an answer, and only an answer', () => {
    const conversation = talk();
    expect(conversation.regenerate()).toBe('answer 3');
    expect(conversation.regenerate()).toBeUndefined();
    expect(roles(conversation.messages)).toBe('suauau');
  });
  test('clear keeps the system prompt, which can be set and removed', () => {
    const conversation = talk();
    conversation.clear();
    expect(conversation.messages).toEqual([{ role: 'system', content: 'S' }]);
    conversation.system = '';
    expect(conversation.messages).toEqual([{ role: 'system', content: '' }]);
    conversation.system = undefined;
    expect(conversation.messages).toEqual([]);
  });
  test('dropOldest drops whole turns, never the system prompt or the last turn', () => {
    const conversation = talk();
    conversation.addUser('question 4');
    expect(conversation.dropOldest()).toBe(2);
    expect(conversation.messages.map(({ content }) => content).slice(0, 2)).toEqual(['S', 'question 2']);
    expect(conversation.dropOldest()).toBe(2);
    expect(conversation.dropOldest()).toBe(2);
    expect(conversation.dropOldest()).toBe(0);
    expect(conversation.messages.map(({ content }) => content)).toEqual(['S', 'question 4']);
    expect(createConversation().dropOldest()).toBe(0);
  });
  test('refuses a system message in the middle', () => {
    const message = { role: 'system', content: 'S' };
    expect(() => createConversation([message, message])).toThrow('messages[1]');
  });
});

describe('saved conversations', () => {
  test('come back as they were', () => {
    const content = fc.string({ unit: 'binary' });
    const message = fc.record({ role: fc.constantFrom('user', 'assistant', 'tool'), content });
    fc.assert(
      fc.property(fc.array(message), fc.option(content, { nil: undefined }), (messages, model) => {
        const text = saveConversation(createConversation(messages), model);
        const loaded = loadConversation(text);
        expect(loaded.conversation.messages).toEqual(messages);
        expect(loaded.model).toBe(model);
      }),
    );
    expect(loadConversation(saveConversation(talk())).conversation.messages).toEqual(talk().messages);
  });

  const saved = (fields: object): string =>
    JSON.stringify({ format: 'nibble-conversation', version: 1, messages: [], ...fields });
  const user = { role: 'user', content: 'x' };
  test.each([
    ['', 'not JSON'],
    ['{"format"', 'not JSON'],
    ['null', 'not a JSON object'],
    ['[]', 'not a JSON object'],
    ['7', 'not a JSON object'],
    ['{}', '"format"'],
    [saved({ version: 2 }), '"version" is 2'],
    [saved({ version: undefined }), '"version"'],
    [saved({ model: 7 }), '"model"'],
    [saved({ messages: { length: 1 } }), '"messages"'],
    [saved({ messages: [null] }), 'messages[0] is not an object'],
    [saved({ messages: [[]] }), 'messages[0] is not an object'],
    [saved({ messages: [user, { role: 7, content: 'x' }] }), 'messages[1].role'],
    [saved({ messages: [{ role: '', content: 'x' }] }), 'messages[0].role'],
    [saved({ messages: [{ role: 'user' }] }), 'messages[0].content'],
    [saved({ messages: [{ role: 'user', content: ['x'] }] }), 'messages[0].content'],
    [saved({ messages: [user, { role: 'system', content: 'x' }] }), 'messages[1] is a system message'],
    [saved({ messages: Array(100_001).fill(user) }), 'more than 100000'],
    ['['.repeat(1_000_000), 'not JSON'],
  ])('%.60s is refused with a reason', (text, reason) => {
    const load = (): unknown => loadConversation(text, 'talk.json');
    expect(load).toThrow(UsageError);
    expect(load).toThrow('talk.json is not a saved conversation');
    expect(load).toThrow(reason);
  });

  test('unknown and dangerous keys are left behind', () => {
    const text =
      '{"format":"nibble-conversation","version":1,"__proto__":{"polluted":1},' +
      '"messages":[{"role":"user","content":"x","__proto__":{"polluted":1},"extra":2}]}';
    const { conversation } = loadConversation(text);
    expect(conversation.messages).toEqual([user]);
    expect('polluted' in conversation.messages[0]!).toBe(false);
    expect('polluted' in {}).toBe(false);
  });
});
