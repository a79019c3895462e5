import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import { hasRelaxedSimd, hasSimd, hasThreads, requireSimd } from '../../src/kernels/features.ts';
import { Contestant, fault, preference, winner } from '../../src/kernels/race.ts';
import { chooseVariant, loadKernelModule } from '../../src/platform/node/variant.ts';
import { SOUND } from './sound.ts';

afterEach(() => void vi.restoreAllMocks());

test('this Node has all that is asked for', () => {
  expect([hasSimd(), hasRelaxedSimd(), hasThreads()]).toEqual([true, true, true]);
  expect(requireSimd).not.toThrow();
});

test('no SIMD: one clear error', async () => {
  vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
  expect(requireSimd).toThrow(/has no WebAssembly SIMD/);
  await expect(chooseVariant({ pinned: 'simd' })).rejects.toMatchObject({ code: 'ERR_NO_SIMD' });
});

test('the flag for relaxed SIMD reaches workers; nothing is printed', async () => {
  const dist = new URL('../../dist/', import.meta.url).href;
  const features = `import(${JSON.stringify(`${dist}src/kernels/features.js`)})`;
  const worker = `${features}.then(({ hasRelaxedSimd }) => import('node:worker_threads').then(({ parentPort }) => parentPort.postMessage(hasRelaxedSimd())))`;
  const script = `
    import { Worker } from 'node:worker_threads';
    const { setV8Flags } = await import(${JSON.stringify(`${dist}src/platform/node/v8-flags.js`)});
    const { hasRelaxedSimd } = await ${features};
    const before = hasRelaxedSimd();
    const result = [setV8Flags(), hasRelaxedSimd()];
    new Worker(${JSON.stringify(worker)}, { eval: true }).on('message', (there) => {
      console.log(JSON.stringify({ before, after: [...result, there] }));
    });`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    script,
  ]);
  const { before, after } = JSON.parse(stdout) as { before: boolean; after: boolean[] };
  expect(after).toEqual([true, true, true]);
  expect(before).toBe(!process.versions.node.startsWith('20.'));
  expect(stderr).toBe('');
});

test('all variants agree; a wrong or missing number is noticed', async () => {
  let reference: Float32Array[] | undefined;
  for (const variant of SOUND) {
    const contestant = new Contestant(await loadKernelModule(variant));
    const outputs = contestant.check();
    reference ??= outputs;
    expect(fault(outputs, reference)).toBeUndefined();
    contestant.turn();
    expect(fault(contestant.check(), reference)).toBeUndefined(); // timing leaves nothing behind
    for (const [i, output] of outputs.entries()) {
      const { length } = output;
      for (const [at, wrong] of [
        [0, NaN],
        [length - 1, Infinity],
        [length >> 1, output[length >> 1]! * 1.001 + 1],
      ] as const) {
        const changed = outputs.map((values) => values.slice());
        changed[i]![at] = wrong;
        expect(fault(changed, reference)).toBeDefined();
      }
    }
  }
});

test('sums that saturate are noticed in the plain variant too', async () => {
  const outputs = new Contestant(await loadKernelModule('simd')).check();
  outputs[2]!.fill(32767);
  expect(fault(outputs)).toMatch(/^GEMV at \+127: 32767 instead of 512064/);
});

test('decode and prefill count the same', () => {
  const of = (variant: 'simd' | 'dot2' | 'dot4', gemv: number, gemm: number, ok = true) => ({
    variant,
    ok,
    gmacs: { gemv, gemm },
  });
  expect(winner([of('simd', 10, 10), of('dot2', 20, 6), of('dot4', 5, 18)])).toBe('dot2');
  expect(winner([of('simd', 10, 10), of('dot2', 99, 99, false)])).toBe('simd');
  expect(winner([{ variant: 'simd', ok: false }])).toBeUndefined();
  expect(preference('arm64')[0]).toBe('dot4');
  expect(preference('x64')[0]).toBe('dot2');
});
