/** The chat without a terminal: one answer, turns, its commands. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { golden, MODEL, run, runJson, scratch } from './run.ts';

const ANSWER = golden.files['tiny-chat.Q8_0.gguf']!.greedy['fact']!.text.split('<|im_end|>')[0]!;
const ESCAPE = String.fromCharCode(27);
const chat = (...args: string[]): string[] => ['chat', MODEL, '--temp', '0', ...args];

test('--prompt and piped standard input: the answer and nothing else', async () => {
  const fromOption = await run(chat('--prompt', 'What is a nibble?'));
  expect(fromOption).toMatchObject({ code: 0, stdout: `${ANSWER}\n`, stderr: '' });
  const fromPipe = await run(chat(), { input: 'What is a nibble?\n' });
  expect(fromPipe).toMatchObject({ code: 0, stdout: `${ANSWER}\n`, stderr: '' });
});

test('no colours with NO_COLOR, nor without a terminal; FORCE_COLOR colours', async () => {
  const args = chat('-i');
  const options = { input: 'What is a nibble?\n' };
  for (const env of [{ NO_COLOR: '1', FORCE_COLOR: '1' }, {}]) {
    const { stdout, stderr } = await run(args, { ...options, env: env as Record<string, string> });
    expect(stdout + stderr).not.toContain(ESCAPE);
    expect(stdout).toContain(ANSWER);
  }
  const colored = await run(args, { ...options, env: { FORCE_COLOR: '1' } });
  expect(colored.stderr).toContain(ESCAPE);
  expect(colored.stdout).not.toContain(ESCAPE);
});

test('--json: text, messages, timings; --stream: parts first', async () => {
  const args = chat('--prompt', 'What is a nibble?', '--system', 'You are nibble.');
  const { stdout } = await run([...args, '--json', '--stream']);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const last = lines.pop() as {
    text: string;
    reason: string;
    messages: { role: string; content: string }[];
    timings: Record<string, number>;
  };
  expect(lines.map((line) => line['text']).join('')).toBe(last.text);
  expect(last.messages.map((message) => message.role)).toEqual(['system', 'user', 'assistant']);
  expect(last.messages[2]!.content).toBe(last.text);
  expect(last.reason).toBe('eos');
  expect(last.timings['decodeTokensPerSecond']).toBeGreaterThan(0);
});

test('turns: banner, statistics, only new tokens are computed, commands, saving and loading', async () => {
  const saved = join(scratch, 'talk.json');
  const input = [
    'What is a nibble?',
    '"""What is the',
    'opposite of fast?"""',
    '/stats',
    `/save ${saved}`,
    '/set top-k 5',
    '/set top-k many',
    '/nope',
    `/load ${join(scratch, 'missing.json')}`,
    '/regen',
    '/clear',
    '/regen',
    `/load ${saved}`,
    '/system You are nibble.',
    '/system',
    '/help',
    '/exit',
    'never read',
  ].join('\n');
  const { code, stdout, stderr } = await run(chat('-i'), { input });
  expect(code).toBe(0);
  expect(stderr).toMatch(/^Using model: .*tiny-chat/);
  expect(stderr).toMatch(/Using format: Q8_0 weights .*, int8 activations, simd kernels/);
  expect(stderr).toContain('Loading model... Finished!');
  expect(stdout.startsWith(`${ANSWER}\n`)).toBe(true);
  expect(stdout.trimEnd().split('\n')).toHaveLength(3);
  expect(stderr).toMatch(
    /\[\d+ tokens · first after \d+ ms · [\d.]+ tok\/s · [\d.]+ ms\/token · context \d+\/512\]/,
  );
  const reused = Number(/\((\d+) from the cache\)/.exec(stderr)![1]);
  expect(reused).toBeGreaterThan(40);
  expect(stderr).toContain('Saved 4 messages');
  expect(stderr).toContain('top-k is 5.');
  expect(stderr).toContain('nibble: top-k cannot be many. It must be an integer from 0.');
  expect(stderr).toContain('nibble: there is no command /nope');
  expect(stderr).toMatch(/nibble: cannot read .*missing\.json: there is no such file/);
  expect(stderr).toContain('There is no answer yet.');
  expect(stderr).toContain('Loaded 4 messages');
  expect(stderr).toContain('\nYou are nibble.\n');
  const { format, messages } = JSON.parse(await readFile(saved, 'utf8')) as {
    format: string;
    messages: { role: string; content: string }[];
  };
  expect(format).toBe('nibble-conversation');
  expect(messages.map((message) => message.content).slice(0, 3)).toEqual([
    'What is a nibble?',
    ANSWER,
    'What is the\nopposite of fast?',
  ]);
});

test('a full context: the oldest turns go, visibly; with --on-full error the turn fails and the chat goes on', async () => {
  const input = 'What is a nibble?\nTell me a story about a fox.\nWhat is a nibble?\n';
  const shifted = await run(chat('-i', '-c', '128'), { input });
  expect(shifted.code).toBe(0);
  expect(shifted.stderr).toMatch(/the context of 128 tokens is full: dropped the oldest \d+ messages/);
  const strict = await run(chat('-i', '-c', '64', '--on-full', 'error'), { input });
  expect(strict.code).toBe(0);
  expect(strict.stderr).toMatch(/nibble: .*context/);
});

test('the format as INT8 or another quantization has no effect on a file, and says so', async () => {
  const { stderr, code } = await run(['chat', MODEL, 'INT8', '-p', 'Hi', '-n', '2']);
  expect(code).toBe(0);
  expect(stderr).toContain('the format INT8 has no effect');
});

test('without a model and without a network: the embedded model, and how to get a real one', async () => {
  const result = await run(['chat', '--offline', '--prompt', 'What is a nibble?', '--temp', '0']);
  expect(result).toMatchObject({ code: 0, stdout: `${ANSWER}\n` });
  expect(result.stderr).toContain('nibble pull smollm2-135m');
});

test('a saved answer can be asked for as one JSON document', async () => {
  const result = await runJson<{ text: string }>(chat('-p', 'What is a nibble?', '-n', '3'));
  expect(ANSWER.startsWith(result.text)).toBe(true);
});
