/** Exit codes and messages: one line that begins with `nibble:`, no stack. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memorySink, writeGguf } from '../../src/gguf/index.ts';
import { MODEL, run, scratch } from './run.ts';

async function fails(args: readonly string[], code: number, message: RegExp, input?: string): Promise<void> {
  const result = await run(args, { input });
  expect(result.stderr).toMatch(message);
  expect(result.stderr).toMatch(/^nibble: [^\n]*\n$/);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(result).toMatchObject({ code, stdout: '' });
}

const generate = ['generate', '-m', MODEL, '-p', 'x'];

describe('bad usage exits with 2 and names the option', () => {
  test.each([
    [[...generate, '--top-k', 'abc'], /--top-k.*abc.*integer/],
    [[...generate, '--temp', '-1'], /--temp.*number from 0/],
    [[...generate, '--top-p', '1.5'], /--top-p.*from 0 to 1/],
    [[...generate, '-n', '1e3'], /-n, --n-predict/],
    [[...generate, '--threads', '0'], /--threads/],
    [[...generate, '--kv-type', 'f8'], /--kv-type.*f16, f32, q8_0/],
    [[...generate, '--segment-limit', 'big'], /--segment-limit.*size/],
    [[...generate, '--ids', '1,2'], /only one of --prompt and --ids/],
    [[...generate, '--no-such'], /unknown option '--no-such'/],
    [['generate', '-m', MODEL, '--ids', '1,99999'], /99999 is not a token id: the vocabulary has 1280/],
    [['logits', '-m', MODEL, '--ids', '1,x', '--out', 'l.bin'], /--ids.*x is not a token id/],
    [['logits', '-m', MODEL, '--ids', '1'], /--out/],
    [['bench', '-m', MODEL, '-p', '8,y'], /-p, --n-prompt.*8,y/],
    [['bench', '-m', MODEL, '-b', '1,64'], /from 1 to 32/],
    [['bench', '-m', MODEL, '-t', '4..1'], /4\.\.1 is no range/],
    [['bench', '-m', MODEL, '--fusion', '-b', '1'], /only one of --fusion and --batched/],
    [['bench', '-m', MODEL, '--layouts', '--batched'], /only one of --layouts and --batched/],
    [['bench', '--layouts', '--layout', '4x4'], /leave --layout away/],
    [['bench', '--layouts', '-t', '1,2'], /one number of threads/],
    [['bench', '--layouts', '-o', 'csv'], /--layouts prints md or json/],
    [['generate', '-m', MODEL, '-p', 'a', '--layout', '5x5'], /--layout .*5x5.*rows, 4x4, 4x8, 8x8/],
    [['generate', '-m', MODEL, '-p', 'a', '--fuse', 'norm', '--no-fuse'], /--no-fuse.*--fuse/],
    [['generate', '-m', MODEL, '-p', 'a', '--no-fuse', '--fuse', 'norm'], /--fuse.*contradicts --no-fuse/],
    [['inspect', 'cpu', '--threads', '2'], /inspect cpu has no use for --threads/],
    [['inspect', 'kernels', '--no-tensors'], /inspect kernels has no use for --no-tensors/],
    [['inspect', MODEL, '--kernel', 'lab:01'], /inspect FILE has no use for --kernel/],
    [['inspect', 'https://localhost/a.gguf', '--offline'], /cannot be had with --offline/],
    [['inspect', MODEL, MODEL], /inspect takes one file/],
    [['detokenize', '-m', MODEL, '77777'], /77777 is not a token id/],
    [['tokenize', '-m', MODEL], /no text/],
    [['embed', '-m', MODEL], /no text/],
    [['embed', '-m', MODEL, '--similarity', 'a', 'b', 'c'], /--similarity compares two texts, not 3/],
    [['embed', '-m', MODEL, '--similarity', '--pooling', 'none', 'a', 'b'], /--similarity needs one vector/],
    [['embed', '-m', MODEL, '--pooling', 'max', 'a'], /--pooling.*mean, cls, last, none/],
    [['classify', '-m', MODEL, '-f', 'x', 'text'], /only one of TEXT and --file/],
    [['classify', 'text'], /required option '-m, --model <model>' not specified/],
    [['chat', 'smollm2-135m', 'INT5', '-p', 'x', '--offline'], /unknown format INT5/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['rm', './file.gguf'], /is a path/],
  ])('%j', async (args, message) => {
    await fails(args, 2, message);
  });
});

describe('failures exit with 1', () => {
  test('a path that leads nowhere, and a near name', async () => {
    await fails(['generate', '-m', 'nowhere.gguf', '-p', 'x'], 1, /nowhere\.gguf/);
    await fails(['inspect', 'smollm2-135'], 1, /smollm2-135/);
  });

  test('a truncated file', async () => {
    const path = join(scratch, 'cut.gguf');
    await writeFile(path, (await readFile(MODEL)).subarray(0, 1_000_000));
    for (const args of [
      ['generate', '-m', path, '-p', 'x'],
      ['inspect', path],
      ['chat', path, '-p', 'x'],
    ]) {
      await fails(args, 1, /cut\.gguf/);
    }
  });

  test('something else than a model', async () => {
    const path = join(scratch, 'text.gguf');
    await writeFile(path, 'This is no model.');
    await fails(['generate', '-m', path, '-p', 'x'], 1, /text\.gguf: .*GGUF/);
  });

  test('a GGUF file that holds no model is named', async () => {
    const path = join(scratch, 'no-model.gguf');
    const sink = memorySink();
    await writeGguf(sink, { metadata: new Map(), tensors: [] });
    await writeFile(path, sink.bytes());
    await fails(
      ['generate', '-m', path, '-p', 'x'],
      1,
      /no-model\.gguf: missing metadata "general.architecture"/,
    );
    await fails(['tokenize', '-m', path, 'x'], 1, /no-model\.gguf: .*tokenizer\.ggml\.model/);
  });

  test('a prompt file or base file that is not there', async () => {
    await fails(['generate', '-m', MODEL, '-f', 'no.txt'], 1, /cannot read no\.txt: there is no such file/);
    await fails(['perplexity', '-m', MODEL, '--kl-base', MODEL], 1, /holds no log probabilities/);
  });

  test('an output that cannot be written, before the work is done', async () => {
    const nowhere = join('no', 'such', 'file');
    const text = join(scratch, 'calibration.txt');
    await writeFile(text, 'some text '.repeat(100));
    for (const args of [
      ['generate', '-m', MODEL, '-p', 'x', '--save-state', nowhere],
      ['imatrix', '-m', MODEL, '-f', text, '-c', '16', '-o', nowhere],
      ['report', 'quant', '--types', 'Q4_0', '-m', MODEL, '-f', text, '-o', nowhere],
      ['perplexity', '-m', MODEL, '-f', text, '-c', '16', '--save-kl-base', nowhere],
      ['quantize', MODEL, nowhere, 'Q4_0', '--allow-requantize'],
    ]) {
      await fails(args, 1, /no.such.file.*: there is no such folder/);
    }
    await fails(['imatrix', '-m', MODEL, '-f', text, '-o', scratch], 1, /it is a directory/);
    await fails(['quantize', MODEL, scratch, 'Q4_0', '--allow-requantize'], 1, /it is a directory/);
    await fails(
      ['perplexity', '-m', MODEL, '--kl-base', nowhere],
      1,
      /cannot read .*: there is no such file/,
    );
  });

  test('options of perplexity that do not go together', async () => {
    const text = ['perplexity', '-m', MODEL, '-p', 'x'];
    await fails([...text, '--ppl-stride', '8', '--save-kl-base', 'b'], 2, /--ppl-stride and a base/);
    await fails([...text, '--base-model', MODEL], 2, /--base-model go with --multiple-choice/);
    await fails([...text, '--multiple-choice', 'everyday'], 2, /only one of --prompt and --multiple-choice/);
    await fails(
      [...text, '--kl-base', 'b'],
      2,
      /the base has text and windows of its own: leave out --prompt/,
    );
    await fails(
      ['perplexity', '-m', MODEL, '--kl-base', 'b', '-c', '64'],
      2,
      /of its own: leave out --ctx-size/,
    );
    const questions = ['perplexity', '-m', MODEL, '--multiple-choice', 'everyday'];
    await fails([...questions, '--chunks', '2'], 2, /need a text, not questions/);
    await fails(
      ['perplexity', '-m', MODEL, '--hellaswag', 'no.jsonl'],
      1,
      /no\.jsonl: there is no such file/,
    );
  });

  test('a prompt that does not fit', async () => {
    await fails(
      [...generate.slice(0, 3), '-p', 'one two three four five six', '-c', '2'],
      1,
      /context holds 2/,
    );
  });

  test('offline, without the model', async () => {
    await fails(
      ['chat', 'qwen3-0.6b', '--offline', '-p', 'x'],
      1,
      /qwen3-0\.6b is not in the store.*offline/,
    );
  });
});

test('empty standard input', () => fails(['chat', MODEL], 2, /standard input is empty/, ''));

test('--verbose shows where', async () => {
  const { stderr } = await run(['inspect', 'nowhere.gguf', '--verbose']);
  expect(stderr).toMatch(/\n\s+at /);
});

test('help and version exit with 0; every command shows an example', async () => {
  const commands = [
    'chat',
    'generate',
    'tokenize',
    'detokenize',
    'logits',
    'perplexity',
    'bench',
    'pull',
    'list',
    'convert',
    'embed',
    'classify',
  ];
  const results = await Promise.all([...commands, 'rm', 'inspect'].map((name) => run([name, '--help'])));
  for (const { code, stdout } of results) {
    expect(code).toBe(0);
    expect(stdout).toMatch(/Example:\n {2}nibble /);
  }
  const version = await run(['--version']);
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
});
