/** A chat's turns on a made-up model: reasoning, full contexts, base models, errors. */
import { expect, test } from 'vitest';
import { ContextOverflowError, ModelError } from '../../src/errors.ts';
import { CHATML_TEMPLATE } from '../../src/chat/index.ts';
import { ChatSession, MOST_CONTINUED } from '../../src/cli/chat/session.ts';
import type { ChatMessage, GenerateOptions, GenerationPart, Model } from '../../src/engine/types.ts';

interface Fake {
  model: Model;
  /** What the model was asked, call by call. */
  asked: (readonly ChatMessage[] | string)[];
}

const timings = {
  promptTokens: 1,
  reusedTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  generatedTokens: 1,
  prefillMs: 1,
  timeToFirstTokenMs: 1,
  decodeMs: 1,
  prefillTokensPerSecond: 1,
  decodeTokensPerSecond: 1,
};

/** One token per character; `script` is what it says, piece by piece; an Error among the pieces is thrown. */
function fake(
  script: (string | Error)[],
  { template = CHATML_TEMPLATE as string | null, context = 1000 } = {},
): Fake {
  const asked: Fake['asked'] = [];
  async function* speak(
    question: readonly ChatMessage[] | string,
    options?: GenerateOptions,
  ): AsyncGenerator<GenerationPart> {
    asked.push(question);
    for (const piece of script) {
      if (typeof piece !== 'string') throw piece;
      options?.signal?.throwIfAborted();
      yield { text: piece, ids: [1] };
    }
    yield { text: '', ids: [], done: { reason: 'eos', timings } };
  }
  const model = {
    info: { contextSize: context, name: 'fake' },
    chatTemplate: template ?? undefined,
    tokenizer: {
      encode: (text: string) => [...text].map(() => 1),
      addBos: false,
      tokenText: () => undefined,
    },
    createSequence: () => ({ tokens: [], clear: () => undefined, dispose: () => undefined }),
    chat: speak,
    generate: (prompt: string, options?: GenerateOptions) => speak(prompt, options),
  } as unknown as Model;
  return { model, asked };
}

function view(): {
  notes: string[];
  shown: string[];
  onPart: (p: { kind: string; text: string }) => void;
  onNote: (t: string) => void;
} {
  const notes: string[] = [];
  const shown: string[] = [];
  return {
    notes,
    shown,
    onPart: ({ kind, text }) => shown.push(`${kind}:${text}`),
    onNote: (text) => notes.push(text),
  };
}

const { signal } = new AbortController();

test('reasoning is told from the answer and does not come into the history', async () => {
  const { model, asked } = fake(['<thi', 'nk>hm', '</think>', '\n\nYes', '.']);
  const session = new ChatSession(model, {}, 'shift');
  const seen = view();
  const turn = await session.answer('Well?', seen, signal);
  expect(turn).toMatchObject({ answer: 'Yes.', thinking: 'hm', reason: 'eos' });
  expect(seen.shown).toEqual(['thinking:hm', 'answer:\n\nYes', 'answer:.']);
  await session.answer('Sure?', view(), signal);
  expect(asked[1]).toEqual([
    { role: 'user', content: 'Well?' },
    { role: 'assistant', content: 'Yes.' },
    { role: 'user', content: 'Sure?' },
  ]);
});

test('a template that opens the thinking block', async () => {
  const template = `${CHATML_TEMPLATE}{{ '<think>\\n' }}`;
  const session = new ChatSession(fake(['hm', '</think>', 'Yes.'], { template }).model, {}, 'shift');
  expect(await session.answer('Well?', view(), signal)).toMatchObject({ answer: 'Yes.', thinking: 'hm' });
});

test('the oldest turns make room, with a note; the last one stays whatever its length', async () => {
  const { model, asked } = fake(['x'.repeat(50)], { context: 400 });
  const session = new ChatSession(model, {}, 'shift');
  session.conversation.system = 'S';
  const seen = view();
  for (const text of ['one', 'two', 'three']) await session.answer(text, seen, signal);
  expect(seen.notes).toEqual(['the context of 400 tokens is full: dropped the oldest 2 messages']);
  expect((asked[2] as ChatMessage[]).map((message) => message.content.slice(0, 5))).toEqual([
    'S',
    'two',
    'xxxxx',
    'three',
  ]);
  await session.answer('y'.repeat(500), seen, signal);
  expect((asked[3] as ChatMessage[]).map((message) => message.content.slice(0, 1))).toEqual(['S', 'y']);
});

test('a context that fills up during the answer ends it; before the first token it is an error', async () => {
  const full = new ContextOverflowError('full');
  const session = new ChatSession(fake(['So ', 'far', full]).model, {}, 'error');
  const seen = view();
  expect(await session.answer('Well?', seen, signal)).toMatchObject({ answer: 'So far', reason: 'context' });
  expect(seen.notes[0]).toContain('the context is full');
  const strict = new ChatSession(fake([full]).model, {}, 'error');
  await expect(strict.answer('Well?', view(), signal)).rejects.toBe(full);
  expect(strict.conversation.messages).toEqual([]);
});

test('an error takes the question back; an abort keeps what was said', async () => {
  const broken = new ChatSession(fake(['a', new ModelError('broken')]).model, {}, 'shift');
  await expect(broken.answer('Well?', view(), signal)).rejects.toThrow('broken');
  expect(broken.conversation.messages).toEqual([]);

  const controller = new AbortController();
  const session = new ChatSession(fake(['a', 'b']).model, {}, 'shift');
  const seen = view();
  seen.onPart = () => controller.abort();
  expect(await session.answer('Well?', seen, controller.signal)).toMatchObject({
    answer: 'a',
    reason: 'interrupted',
  });
  expect(session.conversation.messages).toHaveLength(2);
  await session.answer('And?', view(), AbortSignal.abort());
  expect(session.conversation.messages).toHaveLength(2);
});

test('a base model continues each text for itself', async () => {
  const { model, asked } = fake([' upon', ' a time'], { template: null });
  const session = new ChatSession(model, {}, 'shift');
  expect(session.isBase).toBe(true);
  expect(await session.answer('Once', view(), signal)).toMatchObject({ answer: ' upon a time' });
  await session.answer('Twice', view(), signal);
  expect(asked).toEqual(['Once', 'Twice']);
  expect(session.options.maxTokens).toBe(MOST_CONTINUED);
  // As `-n -1` sets it.
  expect(new ChatSession(model, { maxTokens: undefined }, 'shift').options.maxTokens).toBeUndefined();
});
