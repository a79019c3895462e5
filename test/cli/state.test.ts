/** generate --save-state and --load-state, chat --state: a text and a conversation that go on in another run. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { golden, MODEL, run, runJson, scratch, SMALLER } from './run.ts';

const fact = golden.prompts.find((prompt) => prompt.name === 'fact')!;

interface Generated {
  text: string;
  ids: number[];
  timings: Record<string, number>;
}
const greedy = ['generate', '-m', MODEL, '--temp', '0', '--ignore-eos'];
const file = join(scratch, 'text.state');

test('a text goes on where it stopped, and what is added to it gets no BOS', async () => {
  const whole = await runJson<Generated>([...greedy, '-p', fact.text, '-n', '24']);
  const first = await runJson<Generated>([...greedy, '-p', fact.text, '-n', '10', '--save-state', file]);
  const rest = await runJson<Generated>([...greedy, '-n', '14', '--load-state', file, '--save-state', file]);
  expect([...first.ids, ...rest.ids]).toEqual(whole.ids);
  expect(rest.timings['reusedTokens']).toBe(fact.ids.length + 9);
  // The second run has saved as well.
  const added = [5, 6, 7];
  const third = await runJson<Generated>([...greedy, '-n', '5', '--load-state', file, '--ids', added.join()]);
  const ids = [...fact.ids, ...whole.ids, ...added];
  const alone = await runJson<Generated>([...greedy, '-n', '5', '--ids', ids.join()]);
  expect(third.ids).toEqual(alone.ids);
});

test('what is not a state of this model is refused with one line', async () => {
  const bad = join(scratch, 'bad.state');
  await writeFile(bad, 'a text');
  for (const [model, state, message] of [
    [MODEL, bad, 'bad.state: is not a saved state of nibble'],
    [SMALLER, file, 'was saved with another model'],
    [MODEL, join(scratch, 'none.state'), 'none.state: no such file'],
  ] as const) {
    const { code, stderr } = await run(['generate', '-m', model, '-n', '1', '--load-state', state]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
});

test('chat --state: the second run knows the first', async () => {
  const state = join(scratch, 'chat.state');
  const options = ['chat', MODEL, '--temp', '0', '-n', '20', '--state', state];
  interface Chat {
    text: string;
    messages: { role: string; content: string }[];
    timings: Record<string, number>;
  }
  const first = await runJson<Chat>([...options, '--prompt', 'What is a nibble?']);
  const second = await runJson<Chat>([...options, '--prompt', 'Why?']);
  expect(second.messages.slice(0, 2)).toEqual(first.messages);
  expect(second.messages).toHaveLength(4);
  expect(second.timings['reusedTokens']).toBeGreaterThan(first.timings['promptTokens']!);
  const wrong = await run(['chat', MODEL, '--state', file, '--prompt', 'Why?']);
  expect(wrong).toMatchObject({ code: 1 });
  expect(wrong.stderr).toContain('holds a text, not a conversation');
  const nowhere = await run(['chat', MODEL, '--state', join(scratch, 'no', 'folder'), '--prompt', 'Why?']);
  expect(nowhere.code).not.toBe(0);
  expect(nowhere.stderr).toContain('folder');
});
