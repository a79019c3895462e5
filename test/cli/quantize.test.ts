/** nibble quantize, imatrix and report quant as programs. */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TIED_SPM as NARROW } from '../engine/fixtures.ts';
import { MODEL, run, runJson, scratch } from './run.ts';

interface Quantized {
  out: string;
  bytes: number;
  type: string;
  bitsPerWeight: number;
  oldBytes: number;
  newBytes: number;
  tensors: { name: string; type: string; newBytes: number; insteadOf?: string }[];
}

const REQUANTIZE = '--allow-requantize';
const text = 'A nibble is four bits. Two nibbles make a byte, and a byte has eight bits. '.repeat(20);

test('from a model and a text to an importance matrix, and to a smaller model that answers', async () => {
  const prose = join(scratch, 'prose.txt');
  await writeFile(prose, text);
  const matrix = join(scratch, 'imatrix.gguf');
  const made = await runJson<{ entries: number; chunks: number; chunkSize: number }>([
    ...['imatrix', '-m', MODEL, '-f', prose, '-o', matrix, '-c', '64', '--chunks', '2'],
  ]);
  expect(made).toMatchObject({ chunks: 2, chunkSize: 64 });
  expect(made.entries).toBeGreaterThan(10);

  const plain = join(scratch, 'plain.gguf');
  const weighted = join(scratch, 'weighted.gguf');
  const first = await runJson<Quantized>(['quantize', MODEL, plain, 'q4_1', REQUANTIZE]);
  expect(first).toMatchObject({ out: plain, type: 'Q4_1', bytes: (await stat(plain)).size });
  expect(first.newBytes).toBeLessThan(first.oldBytes);
  expect(first.newBytes).toBe(first.tensors.reduce((sum, { newBytes }) => sum + newBytes, 0));
  const second = await run(['quantize', MODEL, weighted, 'Q4_1', REQUANTIZE, '--imatrix', matrix, '-t', '2']);
  expect(second).toMatchObject({ code: 0, stderr: '' });
  expect(second.stdout).toMatch(
    /^\S+weighted\.gguf: \S+ [kM]B, \d+\.\d\d -> \d\.\d\d bits per weight, .*s\n$/,
  );
  expect((await readFile(plain)).equals(await readFile(weighted))).toBe(false);
  const answer = await run(['generate', '-m', weighted, '-p', 'What is a nibble?', '-n', '8', '--temp', '0']);
  expect(answer.code).toBe(0);
  expect(answer.stdout.trim().length).toBeGreaterThan(3);
});

test('a method and its text on the command line, into shards', async () => {
  const prose = join(scratch, 'calibration.txt');
  await writeFile(prose, text);
  const out = join(scratch, 'awq.gguf');
  const made = await runJson<Quantized & { files: string[] }>([
    ...['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--method', 'awq', '--calibration', prose],
    ...['-c', '64', '--chunks', '2', '--split-max-size', '512K'],
  ]);
  expect(made.files.length).toBeGreaterThan(1);
  expect(made.bytes).toBe(
    (await Promise.all(made.files.map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0),
  );
  const answer = await run(['generate', '-m', made.files[0]!, '-p', 'A nibble', '-n', '8', '--temp', '0']);
  expect(answer).toMatchObject({ code: 0 });
});

test('a dry run shows what would become of each tensor, and writes nothing', async () => {
  const before = await readdir(scratch);
  const args = ['quantize', MODEL, join(scratch, 'dry.gguf'), 'Q4_K_M', REQUANTIZE, '--dry-run'];
  const { code, stdout, stderr } = await run(args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^tensor +shape +now +size +becomes +size\n/);
  expect(stdout).toMatch(/^blk\.0\.attn_q\.weight +256 x 256 +Q8_0 +0\.07 MiB +Q4_K +0\.04 MiB$/m);
  expect(stdout).toMatch(/^blk\.2\.attn_v\.weight .* Q6_K /m);
  expect(stdout).toMatch(/bits per weight\n$/);
  expect(stderr).toBe('');
  const plan = await runJson<Quantized>([
    ...args,
    '--tensor-type',
    'attn_[qk]=Q8_0',
    '--token-embedding-type',
    'f16',
  ]);
  const typeOf = (name: string): string => plan.tensors.find((tensor) => tensor.name === name)!.type;
  expect([typeOf('blk.1.attn_k.weight'), typeOf('token_embd.weight')]).toEqual(['Q8_0', 'F16']);
  // Rows that are no multiple of 256: said for each tensor, and once for all.
  const narrow = await run(['quantize', NARROW, join(scratch, 'dry.gguf'), 'Q4_K_M', '--dry-run']);
  expect(narrow.stdout).toMatch(/^blk\.0\.attn_q\.weight .* F32 .* Q5_0 \(no Q4_K\) /m);
  expect(narrow.stderr).toMatch(/^nibble: \d+ of \d+ tensors have columns that are no multiple .*\n$/);
  expect(await readdir(scratch)).toEqual(before);
});

describe('what is refused, in one line', () => {
  const out = join(scratch, 'never.gguf');
  test.each([
    [['quantize', MODEL, out, 'Q4_0'], 2, /--allow-requantize/],
    [['quantize', MODEL, out, 'Q4_9', REQUANTIZE], 2, /Q4_9 is not one of .*Q4_K_M/],
    [['quantize', MODEL, out, 'Q4_0', '--tensor-type', 'x'], 2, /--tensor-type.*PATTERN=TYPE/],
    [['quantize', MODEL, out, 'Q4_0', '--tensor-type', '(=Q8_0'], 2, /--tensor-type.*no regular expression/],
    [['quantize', MODEL, out, 'Q4_0', '--output-tensor-type', 'Q1'], 2, /--output-tensor-type.*one of/],
    [['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--imatrix', MODEL], 1, /no importance matrix/],
    [['quantize', 'none.gguf', out, 'Q4_0'], 1, /none\.gguf: no such file/],
    [['quantize', MODEL, MODEL, 'Q4_0', REQUANTIZE], 2, /is the file that is read/],
    [['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--method', 'awq'], 2, /awq needs text.*--calibration/],
    [
      ['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--no-act-order'],
      2,
      /--no-act-order goes with --method gptq/,
    ],
    [
      ['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--alpha', '0.5'],
      2,
      /--alpha goes with --method smoothquant/,
    ],
    [['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--method', 'best'], 2, /Allowed choices are rtn, imatrix/],
    [
      ['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--calibration', MODEL],
      2,
      /--calibration goes with --method/,
    ],
    [
      ['quantize', MODEL, out, 'Q4_0', REQUANTIZE, '--method', 'awq', '--calibration', 'none.txt'],
      1,
      /cannot read none\.txt: there is no such file/,
    ],
    [['imatrix', '-m', MODEL, '-f', 'none.txt'], 1, /none\.txt/],
    [['report', 'quant', '-m', MODEL, '--types', 'Q4_0,', '-f', MODEL], 2, /--types/],
    [
      [
        ...['report', 'methods', '-m', MODEL, '--types', 'Q4_0', '--methods', 'best'],
        ...['--calibration', 'random', '-f', MODEL],
      ],
      2,
      /--methods: best is not one of rtn, /,
    ],
  ])('%#', async (args, code, message) => {
    const result = await run(args);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^nibble: [^\n]*\n$/);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(existsSync(out)).toBe(false);
  });
});
