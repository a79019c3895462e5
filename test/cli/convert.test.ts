/** `nibble convert`, and the way from a checkpoint folder to generated text. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeHub } from '../models/fake-hub.ts';
import { sameGreedy } from '../oracle/compare.ts';
import { run, runJson, scratch } from './run.ts';

const OPENELM = fileURLToPath(new URL('../fixtures/checkpoints/openelm', import.meta.url));
const golden = JSON.parse(await readFile(join(OPENELM, 'golden.json'), 'utf8')) as {
  sequences: { tokens: number[]; greedy: number[]; margins: number[] }[];
};

interface Report {
  architecture: string;
  parameters: number;
  bytes: number;
  files: { path: string; bytes: number }[];
  types: { type: string; tensors: number; bytes: number }[];
}

/** A copy of the checkpoint without some of its files. */
async function copyWithout(name: string, pattern: RegExp): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  for (const file of await readdir(OPENELM)) {
    if (!pattern.test(file)) await cp(join(OPENELM, file), join(folder, file));
  }
  return folder;
}

const greedy = (model: string, more: string[] = []): Promise<{ ids: number[]; text: string }> =>
  runJson([
    ...['generate', '-m', model, '--ids', golden.sequences[0]!.tokens.join(','), '-n', '24', '--temp', '0'],
    ...['--ignore-eos', '--activations', 'f32', '--kv-type', 'f32', ...more],
  ]);

describe('from a folder to text', () => {
  const file = (type: string): string => join(scratch, `openelm.${type}.gguf`);

  test('convert to F16', async () => {
    const args = ['convert', OPENELM, '-o', file('F16'), '--outtype', 'f16'];
    const report = await runJson<Report>(args);
    expect(report).toMatchObject({
      architecture: 'openelm',
      parameters: 107_040,
      files: [{ path: file('F16') }],
    });
    expect(report.types[0]!.type).toBe('F16');
    expect((await readFile(file('F16'))).length).toBe(report.bytes);
  });

  test('convert to Q8_0 directly', async () => {
    expect((await run(['convert', OPENELM, '-o', file('direct'), '--outtype', 'q8_0'])).code).toBe(0);
    const report = await runJson<Report>([
      'convert',
      OPENELM,
      '-o',
      file('direct'),
      '--outtype',
      'q8_0',
      '--dry-run',
    ]);
    expect(report.types[0]!.type).toBe('Q8_0');
    expect((await readFile(file('direct'))).length).toBe(report.bytes);
  });

  test.each(['Q8_0', 'Q4_0'])('quantize to %s', async (type) => {
    expect((await run(['quantize', file('F16'), file(type), type])).code).toBe(0);
    expect((await readFile(file(type))).length).toBeLessThan((await readFile(file('F16'))).length);
  });

  test('the F16 file generates what PyTorch does, the others something', async () => {
    const [{ greedy: ids, margins }] = golden.sequences as [(typeof golden.sequences)[0]];
    const made = await greedy(file('F16'));
    // bf16 weights are f16 here: a margin of 0.02 is far above what that changes.
    expect(sameGreedy(made.ids, ids, margins, 0.01, 'F16')).toBeGreaterThan(4);
    expect(made.text.length).toBeGreaterThan(0);
    for (const type of ['Q8_0', 'Q4_0']) expect((await greedy(file(type))).ids).toHaveLength(24);
  });

  test('a table of latency and memory', async () => {
    for (const type of ['F16', 'Q8_0', 'Q4_0']) {
      const args = ['bench', '-m', file(type), '-p', '16', '-n', '8', '-r', '2', '-t', '1', '-o', 'json'];
      const rows = await runJson<Record<string, number>[]>(args);
      expect(rows).toHaveLength(2);
      for (const row of rows) {
        expect(row['avg_ts'], type).toBeGreaterThan(0);
        expect(row['peak_rss'], type).toBeGreaterThan(0);
      }
      expect(rows.some((row) => row['ttft_ms']! > 0)).toBe(true);
    }
  });
});

describe('a checkpoint without tokenizer files', () => {
  let folder: string;
  const model = join(scratch, 'notok.gguf');
  beforeAll(async () => {
    folder = await copyWithout('notok', /token|template/);
  });

  test('converts, says what is missing, takes ids and refuses text', async () => {
    const converted = await run(['convert', folder, '-o', model, '--outtype', 'f32']);
    expect(converted.code).toBe(0);
    expect(converted.stderr).toMatch(/no tokenizer files.*--tokenizer PATH or --tokenizer hf:OWNER\/REPO/);
    const { ids, text } = await greedy(model);
    expect(ids).toEqual(golden.sequences[0]!.greedy);
    expect(text).toBe('');
    for (const args of [
      ['generate', '-m', model, '-p', 'hello'],
      ['tokenize', '-m', model, 'hello'],
      ['detokenize', '-m', model, '5'],
      ['chat', model, '-p', 'hello'],
    ]) {
      const refused = await run(args);
      expect(refused.code, args[0]).toBe(1);
      expect(refused.stderr, args[0]).toMatch(/no tokenizer.*--tokenizer/);
    }
  });

  test('takes those of another folder, or one file of them', async () => {
    for (const tokenizer of [OPENELM, join(OPENELM, 'tokenizer.json')]) {
      expect((await run(['convert', folder, '-o', model, '--tokenizer', tokenizer])).code).toBe(0);
      const { ids } = await runJson<{ ids: number[] }>(['tokenize', '-m', model, 'the cat']);
      expect(ids.length).toBeGreaterThan(2);
    }
    const missing = await run(['convert', folder, '-o', model, '--tokenizer', join(scratch, 'nowhere')]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toMatch(/nowhere: no such tokenizer file or folder/);
  });
});

test('--dry-run shows the tensors and the size, and writes nothing', async () => {
  const path = join(scratch, 'dry.gguf');
  const report = await runJson<Report>(['convert', OPENELM, '-o', path, '--dry-run']);
  const shown = await run(['convert', OPENELM, '-o', path, '--dry-run']);
  expect(shown.stdout).toMatch(
    /blk\.2\.ffn_down\.weight +128 x 64 +F16 +transformer\.layers\.2\.ffn\.proj_2\.weight +BF16/,
  );
  expect(shown.stdout).toMatch(/dry\.gguf: \d+ kB \(not written\)/);
  expect(await readdir(scratch)).not.toContain('dry.gguf');
  await run(['convert', OPENELM, '-o', path]);
  expect((await readFile(path)).length).toBe(report.bytes);
});

test('--split-max-size writes shards that run as one model', async () => {
  const path = join(scratch, 'shards.gguf');
  const { files } = await runJson<Report>([
    'convert',
    OPENELM,
    '-o',
    path,
    '--outtype',
    'f32',
    '--split-max-size',
    '128K',
  ]);
  expect(files.length).toBeGreaterThan(2);
  for (const file of files) {
    expect(file.bytes).toBeLessThanOrEqual(128 * 1024);
    expect((await readFile(file.path)).length).toBe(file.bytes);
  }
  expect((await greedy(files[0]!.path)).ids).toEqual(golden.sequences[0]!.greedy);
});

test('--vocab-only makes a file that tokenizes, from a folder without weights', async () => {
  const folder = await copyWithout('vocabulary', /safetensors/);
  const path = join(scratch, 'vocab.gguf');
  expect((await run(['convert', folder, '-o', path, '--vocab-only'])).code).toBe(0);
  const { ids } = await runJson<{ ids: number[] }>(['tokenize', '-m', path, 'the cat']);
  expect(ids.length).toBeGreaterThan(2);
});

test('a folder as output gets a file named after the checkpoint', async () => {
  const folder = join(scratch, 'out');
  await mkdir(folder);
  await run(['convert', OPENELM, '-o', folder, '--outtype', 'bf16']);
  expect(await readdir(folder)).toEqual(['openelm-BF16.gguf']);
});

describe('from the hub', () => {
  const hub = new FakeHub();
  const env = (): Record<string, string> => ({ HF_ENDPOINT: hub.endpoint });
  beforeAll(async () => {
    await hub.start();
    for (const file of await readdir(OPENELM)) {
      const bytes = await readFile(join(OPENELM, file));
      // The weights apart from the tokenizer, as Apple has them.
      const repository = /token|template/.test(file) ? 'owner/vocabulary' : 'owner/openelm';
      hub.add(repository, file, bytes, { lfs: file.endsWith('.safetensors') });
    }
    hub.add('owner/vocabulary', 'model.safetensors', Buffer.alloc(1000));
  });
  afterAll(() => hub.stop());

  test('convert fetches the checkpoint and the tokenizer, and of each only what it reads', async () => {
    const path = join(scratch, 'hub.gguf');
    const converted = await run(
      [
        'convert',
        'hf:owner/openelm@main',
        '--tokenizer',
        'hf:owner/vocabulary',
        '-o',
        path,
        '--outtype',
        'f32',
      ],
      { env: env() },
    );
    expect(converted.code, converted.stderr).toBe(0);
    const fetched = hub.downloads.map((request) => request.path.replace('/resolve/main', ''));
    expect(fetched).toContain('/owner/openelm/model.safetensors');
    expect(fetched).not.toContain('/owner/openelm/golden.logits.bin');
    expect(fetched).not.toContain('/owner/vocabulary/model.safetensors');
    const { ids, text } = await greedy(path);
    expect(ids).toEqual(golden.sequences[0]!.greedy);
    expect(text.length).toBeGreaterThan(0);
  });

  test('pull --snapshot puts every file into a folder, and says which', async () => {
    const folder = join(scratch, 'snapshot');
    const args = ['pull', '--snapshot', 'hf:owner/openelm', '--local-dir', folder];
    const snapshot = await runJson<{ folder: string; files: { path: string }[] }>(args, { env: env() });
    expect(snapshot.folder).toBe(folder);
    expect((await readdir(folder)).sort()).toEqual(snapshot.files.map((file) => file.path).sort());
    expect(
      (await readFile(join(folder, 'model.safetensors'))).equals(
        await readFile(join(OPENELM, 'model.safetensors')),
      ),
    ).toBe(true);
    const again = await run(args, { env: env() });
    expect(again.stdout).toMatch(/0 of them fetched now/);
    expect((await run(['pull', '--local-dir', folder], { env: env() })).code).toBe(2);
    expect((await run(['pull', '--snapshot', 'openelm'], { env: env() })).code).toBe(2);
  });
});

describe('refuses in one line that says what to do', () => {
  const convert = (folder: string): Promise<{ code: number | null; stderr: string }> =>
    run(['convert', folder, '-o', join(scratch, 'refused.gguf')]);

  test.each([
    [
      'pickles',
      /safetensors/,
      { 'pytorch_model.bin': 'PK' },
      /pytorch_model\.bin: PyTorch pickles are programs.*save_pretrained/,
    ],
    ['a folder without config.json', /config\.json/, {}, /there is no config\.json/],
    [
      'another kind of model',
      /^config\.json/,
      { 'config.json': '{"architectures": ["T5Model"]}' },
      /\["T5Model"\], which is not supported; supported are LlamaForCausalLM/,
    ],
    [
      'a truncated shard',
      /safetensors/,
      { 'model.safetensors': 'x'.repeat(100) },
      /not a safetensors file, or truncated/,
    ],
    [
      'an index that leads outside',
      /safetensors/,
      { 'model.safetensors.index.json': '{"weight_map": {"a": "../x.safetensors"}}' },
      /is not the name of a safetensors file/,
    ],
    [
      'a missing shard',
      /safetensors/,
      { 'model.safetensors.index.json': '{"weight_map": {"a": "b.safetensors"}}' },
      /b\.safetensors: this shard is missing/,
    ],
  ] as const)('%s', async (what, without, files, message) => {
    const folder = await copyWithout(what.replaceAll(' ', '-'), new RegExp(`${without.source}|golden`));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { code, stderr } = await convert(folder);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^nibble: [^\n]*\n$/);
    expect(code).toBe(1);
    expect(await readdir(scratch)).not.toContain('refused.gguf');
    await rm(folder, { recursive: true });
  });

  test('a folder that is not there, a type that is none', async () => {
    expect(await convert(join(scratch, 'nowhere'))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/nowhere: no such folder/),
    });
    expect((await run(['convert', OPENELM, '--outtype', 'q4_0'])).code).toBe(2);
  });
});
