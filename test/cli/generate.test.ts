/** generate, logits, perplexity, bench: what they compute and the JSON that other programs read. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { golden, MODEL, run, runJson, scratch, SMALLER } from './run.ts';

const fact = golden.prompts.find((prompt) => prompt.name === 'fact')!;
const greedy = golden.files['tiny-chat.Q8_0.gguf']!.greedy['fact']!;
const END = '<|im_end|>';
const answer = greedy.text.slice(0, greedy.text.indexOf(END));
/** The answer's ids, the end of turn included. */
const answerIds = greedy.ids.slice(0, greedy.ids.indexOf(2) + 1);

interface Generated {
  text: string;
  ids: number[];
  reason: string;
  timings: Record<string, number>;
  logprobs?: { id: number; logprob: number; top: { id: number }[] }[];
}

test('generate --ids --json: the golden answer, and the timings of the contract', async () => {
  const result = await runJson<Generated>([
    'generate',
    '-m',
    MODEL,
    '--ids',
    fact.ids.join(','),
    '--temp',
    '0',
  ]);
  expect(result.text).toBe(answer);
  expect(result.ids).toEqual(answerIds.slice(0, -1));
  expect(result.reason).toBe('eos');
  const names = ['loadMs', 'prefillMs', 'timeToFirstTokenMs', 'decodeMs'];
  for (const name of [...names, 'prefillTokensPerSecond', 'decodeTokensPerSecond']) {
    expect(result.timings[name], name).toBeGreaterThan(0);
  }
  expect(result.timings['promptTokens']).toBe(fact.ids.length);
});

test('generate: a text prompt with its special tokens, from -p, -f and a pipe, gives the same', async () => {
  const options = ['generate', '-m', MODEL, '--temp', '0', '-n', '8'];
  const fromOption = await run([...options, '-p', fact.text]);
  expect(fromOption).toMatchObject({ code: 0, stderr: '' });
  expect(answer.startsWith(fromOption.stdout.trimEnd())).toBe(true);
  const fromPipe = await run(options, { input: fact.text });
  expect(fromPipe.stdout).toBe(fromOption.stdout);
});

test('generate --stream: NDJSON that adds up to the result in the last line', async () => {
  const args = [
    'generate',
    '-m',
    MODEL,
    '-p',
    fact.text,
    '--temp',
    '0',
    '--json',
    '--stream',
    '--logprobs',
    '2',
  ];
  const { stdout } = await run(args);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Generated);
  const last = lines.pop()!;
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.map((line) => line.text).join('')).toBe(last.text);
  expect(lines.flatMap((line) => line.ids)).toEqual(last.ids);
  expect(last.logprobs).toHaveLength(last.ids.length);
  expect(last.logprobs![0]).toMatchObject({ id: last.ids[0], top: [{ id: last.ids[0] }, {}] });
});

test('generate: seeds repeat, --stop ends before its text, --logit-bias bans, a full context ends', async () => {
  const options = ['generate', '-m', MODEL, '-p', 'Once upon a time', '-n', '16'];
  const [first, again] = await Promise.all([
    runJson<Generated>([...options, '--seed', '7']),
    runJson<Generated>([...options, '-s', '7']),
  ]);
  expect(first.text).toBe(again.text);
  expect(first.reason).toBe('length');
  const stopped = await runJson<Generated>([
    'generate',
    '-m',
    MODEL,
    '-p',
    fact.text,
    '--temp',
    '0',
    '--stop',
    ' four',
  ]);
  expect(stopped).toMatchObject({ text: answer.slice(0, answer.indexOf(' four')), reason: 'stop' });
  const banned = await runJson<Generated>([...options, '--temp', '0', '--logit-bias', `${first.ids[0]}-inf`]);
  expect(banned.ids).not.toContain(first.ids[0]);
  const full = await runJson<Generated>(['generate', '-m', MODEL, '-p', 'Once', '-c', '20', '--ignore-eos']);
  expect(full.reason).toBe('context');
  expect(full.ids.length).toBeGreaterThan(10);
});

test('options of the engine arrive there', async () => {
  const flags = [
    '--threads',
    '1',
    '--kv-type',
    'q8_0',
    '--variant',
    'simd',
    '-b',
    '4',
    '--segment-limit',
    '600K',
  ];
  const { stderr, code } = await run([
    'generate',
    '-m',
    MODEL,
    '-p',
    'Hi',
    '-n',
    '1',
    '-c',
    '64',
    '--activations',
    'f32',
    '--verbose',
    '--profile',
    ...flags,
  ]);
  expect(code).toBe(0);
  expect(stderr).toContain('1 threads, kernels simd, activations f32, context 64 (q8_0)');
  expect(stderr).toMatch(/[2-9] segment\(s\)/);
  expect(stderr).toMatch(/section +calls +total ms/);
});

test('logits --out: positions x vocabulary, little-endian f32, the likeliest as in the golden answer', async () => {
  const out = join(scratch, 'logits.bin');
  const ids = [...fact.ids, ...answerIds.slice(0, 3)];
  const report = await runJson<{ positions: number; vocabularySize: number; bytes: number }>([
    'logits',
    '-m',
    MODEL,
    '--ids',
    JSON.stringify(ids),
    '--out',
    out,
    '-b',
    '8',
  ]);
  const bytes = await readFile(out);
  expect(report).toMatchObject({ positions: ids.length, vocabularySize: 1280, bytes: bytes.length });
  expect(bytes.length).toBe(ids.length * 1280 * 4);
  const best = (position: number): number => {
    const row = Array.from({ length: 1280 }, (_, i) => bytes.readFloatLE((position * 1280 + i) * 4));
    return row.indexOf(Math.max(...row));
  };
  expect([0, 1, 2, 3].map((i) => best(fact.ids.length - 1 + i))).toEqual(answerIds.slice(0, 4));
  const piped = await run(['logits', '-m', MODEL, '--ids', ids.join(' '), '--out', '-']);
  expect(piped.bytes.equals(bytes)).toBe(true);
});

interface Perplexity {
  tokens: number;
  nll: number;
  nllMean: number;
  perplexity: number;
  perplexityError: number;
  windows: number;
  kl?: { mean: number; topAgreement: number };
}

test('perplexity: the golden likelihood of the held-out text, scored whole', async () => {
  const result = await runJson<Perplexity>(['perplexity', '-m', MODEL, '-p', golden.held_out_text.text]);
  expect(result.tokens).toBe(golden.held_out_text.ids.length - 1);
  const { sum } = golden.files['tiny-chat.Q8_0.gguf']!.held_out_nll;
  expect(Math.abs(result.nll - sum) / sum).toBeLessThan(0.01);
  expect(result.perplexity).toBeCloseTo(Math.exp(result.nllMean), 6);
  expect(result.perplexityError).toBeGreaterThan(0);
});

test('perplexity: windows, and KL divergence from a base of our own', async () => {
  const base = join(scratch, 'base.kld');
  const text = golden.held_out_text.text.repeat(2);
  const saved = await runJson<Perplexity>(
    ['perplexity', '-m', MODEL, '-f', '-', '-c', '128', '--save-kl-base', base],
    { input: text },
  );
  expect(saved.windows).toBe(3);
  expect(saved.tokens).toBe(3 * 63);
  const same = await runJson<Perplexity>(['perplexity', '-m', MODEL, '--kl-base', base]);
  expect(same.nll).toBeCloseTo(saved.nll, 6);
  expect(same.kl!.mean).toBeLessThan(1e-5);
  expect(same.kl!.topAgreement).toBe(100);
  const args = ['perplexity', '-m', SMALLER, '--kl-divergence-base', base, '--kl-divergence'];
  const other = await runJson<Perplexity>(args);
  expect(other.kl!.mean).toBeGreaterThan(1e-4);
  expect(other.kl!.mean).toBeLessThan(0.1);
});

test('perplexity: a stride gives each token nearly a whole window', async () => {
  const input = golden.held_out_text.text.repeat(2);
  const args = ['perplexity', '-m', MODEL, '-f', '-', '-c', '96'];
  const halves = await runJson<Perplexity>(args, { input });
  const strided = await runJson<Perplexity>([...args, '--ppl-stride', '64'], { input });
  expect(strided.tokens).toBe(64 * strided.windows);
  expect(strided.windows).toBeGreaterThan(2);
  expect(strided.nllMean).not.toBe(halves.nllMean);
  expect(Math.abs(strided.nllMean - halves.nllMean)).toBeLessThan(1);
});

test('perplexity: questions, and what is left of the accuracy of a base', async () => {
  const file = join(scratch, 'questions.jsonl');
  // How the held-out text goes on, and the same words in reverse.
  const words = golden.held_out_text.text.split(' ').slice(0, 40);
  const end = words.slice(20);
  const endings = [end.join(' '), [...end].reverse().join(' ')];
  const question = (label: number) =>
    `${JSON.stringify({ ctx: words.slice(0, 20).join(' '), endings, label })}\n`;
  await writeFile(file, question(0) + question(1));
  const args = ['perplexity', '-m', SMALLER, '--hellaswag', file, '--base-model', MODEL];
  const result = await runJson<Record<string, unknown>>(args);
  expect(result).toMatchObject({ items: 2, accuracy: 50, chance: 50, answers: [0, 0] });
  expect(result['base']).toEqual({ model: MODEL, accuracy: 50, recovered: 100, sameAnswer: 100 });
  const { stdout } = await run(['perplexity', '-m', MODEL, '--multiple-choice', 'everyday', '--tasks', '3']);
  expect(stdout).toMatch(/everyday, 3 items\nspeed: +[\d.]+ tok\/s.*\naccuracy: +[\d.]+ %, 95 % interval/);
});

test('bench: rows with the fields of llama-bench and ours, tables as Markdown and CSV', async () => {
  const args = ['bench', '-m', MODEL, '-p', '16', '-n', '4', '-r', '2', '-t', '1,2'];
  const rows = await runJson<Record<string, unknown>[]>(args);
  expect(rows.map((row) => [row['n_prompt'], row['n_gen'], row['n_threads']])).toEqual([
    [16, 0, 1],
    [0, 4, 1],
    [16, 0, 2],
    [0, 4, 2],
  ]);
  for (const row of rows) {
    expect(row['samples_ts']).toHaveLength(2);
    for (const name of ['avg_ts', 'avg_ns', 'load_ms', 'peak_rss', 'ttft_ms', 'cpu_percent', 'model_size']) {
      expect(row[name], name).toBeGreaterThan(0);
    }
    expect(row['stddev_ts']).toBeGreaterThanOrEqual(0);
    if (row['n_gen'] === 4) expect(row['itl_p95_ms']).toBeGreaterThanOrEqual(row['itl_p50_ms'] as number);
    else expect(row['itl_p50_ms']).toBeNull();
  }
  const short = ['bench', '-m', MODEL, '-p', '8', '-n', '0', '-r', '1', '-t', '1'];
  const markdown = (await run(short)).stdout.split('\n');
  expect(markdown[0]).toMatch(/^\| model +\| +size \| +params \| backend \| threads \| +test \| +t\/s \|/);
  expect(markdown[2]).toMatch(/\| llama 2M Q8_0 \| .* \| +pp8 \| +[\d.]+ ± [\d.]+ \|/);
  const csv = (await run([...short, '-o', 'csv'])).stdout.trimEnd().split('\n');
  expect(csv[0]).toContain('n_prompt,n_gen');
  expect(csv).toHaveLength(2);
});

test('generate --lookup, --draft: the same answer, and how many proposals were accepted', async () => {
  const options = ['generate', '-m', MODEL, '--temp', '0', '-n', '60', '--ignore-eos', '-p', fact.text];
  const plain = await runJson<Generated>(options);
  expect(plain.timings).toMatchObject({ draftedTokens: 0, acceptedTokens: 0 });
  for (const extra of [
    ['--lookup'],
    ['--draft', SMALLER],
    ['--draft', SMALLER, '--lookup', '--draft-max', '3'],
  ]) {
    const fast = await runJson<Generated>([...options, ...extra]);
    expect(fast.ids).toEqual(plain.ids);
    expect(fast.timings['draftedTokens']).toBeGreaterThan(0);
    expect(fast.timings['acceptedTokens']).toBeLessThanOrEqual(fast.timings['draftedTokens']!);
  }
  const alone = await run([...options, '--draft-max', '3']);
  expect(alone.code).toBe(2);
  expect(alone.stderr).toContain('--draft');
});

test('bench --fusion: all fused, each fusion undone, none', async () => {
  const options = ['bench', '-m', MODEL, '--fusion', '-p', '8', '-n', '4', '-r', '2', '--no-warmup'];
  interface Row {
    name: string;
    tests: { test: string; samples: number[]; best: number; ratio: number }[];
  }
  const rows = await runJson<Row[]>(options);
  expect(rows.map((row) => row.name)[0]).toBe('all fused');
  expect(rows).toHaveLength(6);
  for (const { tests } of rows) {
    expect(tests.map(({ test }) => test)).toEqual(['pp8', 'tg4']);
    for (const { samples, best, ratio } of tests) {
      expect(samples).toHaveLength(2);
      expect(best).toBe(Math.max(...samples));
      expect(ratio).toBeGreaterThan(0);
    }
  }
  expect((await run([...options, '-o', 'csv'])).code).toBe(2);
  expect((await run(['generate', '-m', MODEL, '--fuse', 'rope', '-p', 'a'])).stderr).toContain('norm, gate');
});

test('bench --layouts: the kernels of each layout, and with a model its speed in each', async () => {
  const options = ['bench', '--layouts', '-r', '1', '-t', '1'];
  interface Row {
    layout: string;
    gemv: { gops: number; ratio: number; gbPerSecond: number };
    gemm: { gops: number; ratio: number };
    tests: { test: string; best: number; ratio: number }[];
  }
  const rows = await runJson<Row[]>([...options, '-m', SMALLER, '-p', '8', '-n', '4', '--no-warmup']);
  expect(rows.map(({ layout }) => layout)).toEqual(['8x4', 'rows', '4x4', '4x8', '8x8']);
  for (const { gemv, gemm, tests } of rows) {
    expect(tests.map(({ test }) => test)).toEqual(['pp8', 'tg4']);
    for (const [i, { best, ratio }] of tests.entries()) {
      expect(best).toBeGreaterThan(0);
      expect(ratio).toBeCloseTo(best / rows[0]!.tests[i]!.best, 6);
    }
    for (const rate of [gemv, gemm]) expect(rate.ratio * rate.gops).toBeGreaterThan(0);
    // Two operations per weight of 4.5 bits.
    expect(gemv.gops / gemv.gbPerSecond).toBeCloseTo(2 / (4.5 / 8), 6);
  }
  expect(rows[0]).toMatchObject({ gemv: { ratio: 1 }, gemm: { ratio: 1 } });
  const { stdout } = await run(options);
  expect(stdout).toMatch(/layout .*GEMV GOP\/s .*GB\/s .*ratio .*GEMM GOP\/s .*ratio/);
  expect(stdout).not.toContain('t/s');
}, 60_000);

test('generate --no-fuse: the same answer', async () => {
  const options = ['generate', '-m', MODEL, '--temp', '0', '-n', '12', '-p', fact.text];
  const { ids } = await runJson<Generated>(options);
  expect((await runJson<Generated>([...options, '--no-fuse'])).ids).toEqual(ids);
  expect((await runJson<Generated>([...options, '--fuse', 'gate,add'])).ids).toEqual(ids);
});

test('bench --batched: the columns of llama-batched-bench, one row per threads and sequences', async () => {
  const args = ['bench', '-m', MODEL, '--batched', '-npl', '1,3', '-n', '4', '-r', '1', '-t', '1'];
  const short = ['bench', '-m', MODEL, '-b', '1,3', '-t', '1..2', '-p', '9', '-n', '4', '-r', '1', '--json'];
  const { code, stdout } = await run(short);
  expect(code).toBe(0);
  const rows = JSON.parse(stdout) as Record<string, number>[];
  expect(rows.map(({ threads, pl }) => [threads, pl])).toEqual([
    [1, 1],
    [1, 3],
    [2, 1],
    [2, 3],
  ]);
  for (const row of rows) {
    expect(row).toMatchObject({ pp: 9, tg: 4, n_kv: row['pl']! * 13 });
    expect(row['speed_tg']! * row['t_tg']!).toBeCloseTo(row['pl']! * 4, 6);
    expect(row['t']).toBeCloseTo(row['t_pp']! + row['t_tg']!, 6);
    if (row['threads'] === 1) expect(row['scaling']).toBe(1);
  }
  const table = await run([...args, '-p', '9', '--no-warmup']);
  expect(table.stdout).toMatch(
    /threads \|.* PP \|.* TG \|.* B \|.* N_KV \|.*T_PP s .*S_PP t\/s .*T_TG s .*S_TG t\/s/,
  );
  const refused = await run([...args, '-p', '0']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('neither -p nor -n can be 0');
}, 60_000);
