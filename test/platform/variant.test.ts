import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { VARIANTS } from '../../src/kernels/race.ts';
import { chooseVariant, loadKernelModule, type VariantOptions } from '../../src/platform/node/variant.ts';
import { SOUND } from './sound.ts';

const BUILT = new URL('../../dist/kernels/', import.meta.url);
const child = (name: string) => new URL(`children/${name}.mjs`, import.meta.url);

// A copy, so that a build that runs meanwhile does not change what is being remembered.
let original = '',
  KERNELS = BUILT;
beforeAll(async () => {
  original = await mkdtemp(join(tmpdir(), 'nibble-kernels-'));
  KERNELS = pathToFileURL(`${original}/`);
  for (const name of VARIANTS) await copyFile(new URL(`${name}.wasm`, BUILT), join(original, `${name}.wasm`));
});
afterAll(() => rm(original, { recursive: true, force: true }));

const choose = (options: VariantOptions) => chooseVariant({ kernelsDir: KERNELS, ...options });

let folder = '',
  cacheDir = '';
beforeEach(async () => {
  vi.stubEnv('NIBBLE_VARIANT', '');
  folder = await mkdtemp(join(tmpdir(), 'nibble-variant-'));
  cacheDir = join(folder, 'cache');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** A folder of modules, some of them replaced. */
async function kernels(change: Partial<Record<(typeof VARIANTS)[number], Uint8Array>>): Promise<URL> {
  const to = join(folder, 'kernels');
  await mkdir(to, { recursive: true });
  for (const name of VARIANTS) {
    const file = join(to, `${name}.wasm`);
    if (change[name]) await writeFile(file, change[name]);
    else await copyFile(new URL(`${name}.wasm`, KERNELS), file);
  }
  return pathToFileURL(`${to}/`);
}

/** simd.wasm that takes three bits of a nibble instead of four. */
async function miscomputing(): Promise<Uint8Array> {
  const bytes = await readFile(new URL('simd.wasm', KERNELS));
  const mask = bytes.indexOf(Buffer.alloc(16, 0x0f));
  expect(mask).toBeGreaterThan(0);
  return bytes.fill(0x07, mask, mask + 16);
}

const cacheFile = () => join(cacheDir, 'kernel-variants.json');

describe('the race', () => {
  test('picks one that passed, remembers it', async () => {
    const first = await choose({ cacheDir });
    expect(first.source).toBe('race');
    expect(first.results.map(({ variant }) => variant)).toEqual([...VARIANTS]);
    for (const { variant, ok, gmacs } of first.results) {
      expect({ variant, ok }).toEqual({ variant, ok: SOUND.includes(variant) });
      if (!ok) continue;
      expect(gmacs!.gemv).toBeGreaterThan(0);
      expect(gmacs!.gemm).toBeGreaterThan(0);
    }
    expect(SOUND).toContain(first.variant);
    const figures = first.results.map(
      ({ variant, gmacs, reason }) =>
        `${variant} ${gmacs ? `${gmacs.gemv.toFixed(1)}/${gmacs.gemm.toFixed(1)}` : reason}`,
    );
    console.log(
      `Node ${process.versions.node}: ${first.variant}; GEMV/GEMM GMAC/s: ${figures.join(', ')}; race ${first.raceMs!.toFixed(0)} ms, with the process ${first.totalMs!.toFixed(0)} ms`,
    );

    const second = await choose({ cacheDir });
    const { variant, results, revectorize } = first;
    expect(second).toEqual({ variant, source: 'cache', results, revectorize });
    expect(await readdir(cacheDir)).toEqual(['kernel-variants.json']);
  });

  test('two at once are one', async () => {
    const [a, b] = await Promise.all([choose({ cacheDir }), choose({ cacheDir })]);
    expect(b).toEqual(a);
  });

  test('other kernels, another race', async () => {
    await choose({ cacheDir, child: child('made-up') });
    const kernelsDir = await kernels({ dot4: Buffer.from('no module') });
    const other = await choose({ cacheDir, kernelsDir });
    expect(other.source).toBe('race');
    expect(
      Object.keys((JSON.parse(await readFile(cacheFile(), 'utf8')) as { entries: object }).entries),
    ).toHaveLength(2);
  });
});

describe('a bad variant is out, the others race on', () => {
  test('a module that does not compile, and one that computes nonsense', async () => {
    const kernelsDir = await kernels({ dot2: Buffer.from('no module'), dot4: await miscomputing() });
    const { variant, source, results } = await choose({ cacheDir, kernelsDir });
    expect({ variant, source }).toEqual({ variant: 'simd', source: 'race' });
    expect(results.map(({ ok }) => ok)).toEqual([true, false, false]);
    expect(results[1]!.reason).toMatch(/CompileError/);
    expect(results[2]!.reason).toMatch(/^GEMV: .* instead of /);
  });

  test('a crash; what came before is kept', async () => {
    const { source, results } = await choose({ cacheDir, child: child('crash') });
    expect(source).toBe('race');
    expect(results[0]).toEqual({ variant: 'simd', ok: true, gmacs: { gemv: 1e6, gemm: 1e6 } });
    expect(results[1]).toMatchObject({ variant: 'dot2', ok: false });
    expect(results[1]!.reason).toMatch(/SIGSEGV|exit code/);
    expect(results[2]).toMatchObject({ variant: 'dot4', ok: SOUND.includes('dot4') });
    expect((await choose({ cacheDir, child: child('crash') })).source).toBe('cache');
  });

  test('no end within the time limit', async () => {
    const choice = await choose({ cacheDir, child: child('hang'), timeLimit: 3000 });
    expect(choice).toMatchObject({ variant: 'dot2', source: 'race' });
    expect(choice.results[2]).toEqual({ variant: 'dot4', ok: false, reason: 'did not finish within 3 s' });
  });

  test('without a plain variant nothing can be checked', async () => {
    const kernelsDir = await kernels({ simd: await miscomputing() });
    const { variant, source, results, reason } = await choose({ cacheDir, kernelsDir });
    expect({ variant, source, reason }).toEqual({
      variant: 'simd',
      source: 'fallback',
      reason: 'no variant passed its check',
    });
    expect(results[0]!.reason).toMatch(/\+127/);
    expect(results[1]!.reason).toMatch(/no plain variant/);
  });
});

describe('no child process', () => {
  const preferred = arch() === 'arm64' ? 'dot4' : 'dot2';

  test.each(['missing', 'mute'])('%s: checked here instead', async (name) => {
    const choice = await choose({ cacheDir, child: child(name) });
    expect(choice).toMatchObject({ variant: preferred, source: 'fallback' });
    expect(choice.results.filter(({ ok }) => ok).map(({ variant }) => variant)).toEqual(SOUND);
    expect(choice.reason).toMatch(name === 'missing' ? /is missing/ : /exit code 3/);
    // Nothing was measured, so nothing is remembered.
    await expect(readFile(cacheFile())).rejects.toThrow('ENOENT');
  });

  test('Electron is not Node', async () => {
    vi.spyOn(process, 'versions', 'get').mockReturnValue({ ...process.versions, electron: '40.0.0' });
    expect(await choose({ cacheDir })).toMatchObject({ variant: preferred, source: 'fallback' });
  });

  test('within a child of a race: no further one', async () => {
    vi.stubEnv('NIBBLE_RACE_CHILD', '1');
    expect((await choose({ cacheDir })).source).toBe('fallback');
  });

  test('one that fails its check is not taken', async () => {
    const kernelsDir = await kernels({ [preferred]: await miscomputing() });
    const { variant, results } = await choose({ cacheDir, kernelsDir, child: child('missing') });
    expect(variant).toBe(preferred === 'dot4' ? 'dot2' : SOUND.includes('dot4') ? 'dot4' : 'simd');
    expect(results.find((result) => result.variant === preferred)!.reason).toMatch(/instead of/);
  });
});

describe('the cache', () => {
  const quick = () => choose({ cacheDir, child: child('made-up') });

  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"version":1,"entries":7}',
    '{"version":2,"entries":{}}',
    '\u0000\u0001',
  ])('is replaced when it is %j', async (content) => {
    await mkdir(cacheDir);
    await writeFile(cacheFile(), content);
    expect((await choose({ cacheDir, child: child('crash') })).source).toBe('race');
    expect((await choose({ cacheDir, child: child('crash') })).source).toBe('cache');
  });

  test('entries that make no sense are not believed', async () => {
    await quick();
    const good = await readFile(cacheFile(), 'utf8');
    for (const [from, to] of [
      ['"variant": "dot2",\n      "results"', '"variant": "dot9",\n      "results"'],
      ['"variant": "dot2",\n      "results"', '"variant": "dot4",\n      "results"'], // it failed
      ['"gemv": 8', '"gemv": "8"'],
    ] as const) {
      expect(good).toContain(from);
      await writeFile(cacheFile(), good.replace(from, to));
      expect((await quick()).source).toBe('race');
      expect((await quick()).source).toBe('cache');
    }
  });

  test('that cannot be written is no error, and this process still remembers', async () => {
    await writeFile(join(folder, 'file'), '');
    const options = { cacheDir: join(folder, 'file', 'below'), child: child('made-up') };
    expect((await choose(options)).source).toBe('race');
    expect((await choose(options)).source).toBe('cache');
  });
});

describe('pinned', () => {
  test('by option, by environment; the option wins', async () => {
    expect(await choose({ pinned: 'simd', cacheDir })).toEqual({
      variant: 'simd',
      source: 'pinned',
      results: [],
    });
    vi.stubEnv('NIBBLE_VARIANT', 'dot2');
    expect(await choose({ cacheDir })).toMatchObject({ variant: 'dot2', source: 'env' });
    expect(await choose({ pinned: 'simd', cacheDir })).toMatchObject({ variant: 'simd' });
    await expect(readdir(folder)).resolves.toEqual([]); // a pin is not remembered
  });

  test('one that does not compute what it should', async () => {
    const kernelsDir = await kernels({ dot2: await miscomputing() });
    const check = () => choose({ pinned: 'dot2', cacheDir, kernelsDir });
    await expect(check()).rejects.toMatchObject({
      code: 'ERR_VARIANT',
      message: expect.stringMatching(/dot2.*instead of/) as string,
    });
    await choose({ cacheDir, kernelsDir }); // now the verdict is known
    await expect(check()).rejects.toMatchObject({ code: 'ERR_VARIANT' });
  });

  test('unknown names', async () => {
    vi.stubEnv('NIBBLE_VARIANT', 'avx512');
    const failing = choose({ cacheDir });
    await expect(failing).rejects.toThrow('NIBBLE_VARIANT is "avx512": it must be one of simd, dot2, dot4');
    await expect(failing).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  test('what this engine does not have', async () => {
    const validate = WebAssembly.validate;
    // Relaxed instructions are those that do not fit in one byte: 0xfd 0x93 0x02.
    vi.spyOn(WebAssembly, 'validate').mockImplementation(
      (bytes) =>
        !Buffer.from(bytes as Uint8Array).includes(Buffer.from([0xfd, 0x93, 0x02])) && validate(bytes),
    );
    await expect(choose({ pinned: 'dot4' })).rejects.toMatchObject({ code: 'ERR_NO_RELAXED_SIMD' });
    expect(await choose({ pinned: 'simd' })).toMatchObject({ variant: 'simd', source: 'pinned' });
    expect(await choose({ cacheDir })).toMatchObject({ variant: 'simd', source: 'fallback' });
  });
});

describe('modules', () => {
  test.each(VARIANTS)('%s', async (variant) => {
    expect(await loadKernelModule(variant)).toBeInstanceOf(WebAssembly.Module);
  });

  test('missing or damaged: one clear error', async () => {
    await expect(loadKernelModule('simd', pathToFileURL(`${folder}/`))).rejects.toMatchObject({
      code: 'ERR_NO_KERNELS',
      message: expect.stringMatching(/simd\.wasm: run "npm run build"/) as string,
    });
    const damaged = await kernels({ simd: Buffer.from('x') });
    await expect(loadKernelModule('simd', damaged)).rejects.toThrow('do not compile');
  });
});
