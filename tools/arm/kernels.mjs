// Checks the kernels of every variant and weight format: dequantization against ggml's own values (bit for bit),
// GEMV against exact sums in f64 (the twins of test/kernels), GEMM the same bits as GEMV, and the largest sums
// there are. Plain Node, so that it runs on an emulated ARM64 too, where vitest does not: see check.sh.
// Needs a built dist/kernels and Node 22.18 or later, which reads the tests' TypeScript as it is.
// usage: tools/arm/kernels.mjs [baseline|optimizing] [VARIANT...]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error('kernels.mjs: needs Node 22.18 or later');
  process.exit(2);
}
const tests = '../../test/kernels';
const { FORMATS, OTHER_LAYOUTS } = await import('../../src/kernels/formats.ts');
const { Machine, VARIANTS, useCompiler } = await import(`${tests}/machine.ts`);
const { checkDequantize, toF32 } = await import(`${tests}/dequantize.ts`);
const { checkProducts, exactRows, magnitudesOf } = await import(`${tests}/products.ts`);
const { allNaN } = await import(`${tests}/check.ts`);
const { normals, random } = await import(`${tests}/twins/numbers.ts`);
const { randomWeights, setScales } = await import(`${tests}/twins/weights.ts`);

const fixture = (name) =>
  new Uint8Array(readFileSync(new URL(`../../test/fixtures/kernels/${name}`, import.meta.url)));

/** The 17 rows that ggml quantized and dequantized. */
function dequantize(machine, format) {
  // ggml quantizes nothing to I8.
  if (format.name === 'I8') return;
  const plain = format.name === 'F32';
  const expected = toF32(fixture(plain ? 'input.f32.bin' : `${format.name}.deq.f32.bin`));
  if (expected.length !== 17 * 256) throw new Error('the fixture has another size');
  checkDequantize(
    machine,
    format,
    fixture(plain ? 'input.f32.bin' : `${format.name}.q.bin`),
    17,
    256,
    expected,
  );
}

function products(machine, format, bytes, tokens, rows, what) {
  machine.reset();
  const columns = tokens[0].length;
  const matrix = machine.repack(format, bytes, rows, columns);
  const weights = exactRows(format, bytes, rows, columns);
  checkProducts(machine, matrix, weights, tokens, what, {
    magnitudes: magnitudesOf(format, bytes, rows, columns),
  });
}

/** Random weights, an odd number of blocks, an odd number of groups, batches with every remainder of 4. */
function ordinary(machine, format) {
  const source = random(1 + format.kernel);
  const columns = { 1: 261, 32: 544, 256: 768 }[format.blockColumns];
  const bytes = randomWeights(format, 19, columns, source);
  const tokens = [1, 10, 1e-3, 1, 300, 1, 1].map((size) => normals(columns, source, size));
  for (const count of [4, 5, 6, 7])
    products(machine, format, bytes, tokens.slice(0, count), 19, `${count} tokens`);
}

/** All bits of the weights set or none, activations at their largest and of one sign: sums of 16 bits at their limit. */
function extreme(machine, format) {
  if (format.form === 'f32') return;
  for (const byte of [0x00, 0xff, 0x7f, 0x80]) {
    const bytes = randomWeights(format, 8, 256, random(1)).fill(byte);
    setScales(format, bytes, () => 0x3c00);
    if (format.name === 'MXFP4') for (let at = 0; at < bytes.length; at += 17) bytes[at] = 127;
    const tokens = [127, -127, 0, 127, -127].map((value) => new Float32Array(256).fill(value));
    products(machine, format, bytes, tokens, 8, `all bytes ${byte}`);
  }
}

function nan(machine, format) {
  machine.reset();
  const x = normals(256, random(2));
  x[200] = NaN;
  const matrix = machine.repack(format, randomWeights(format, 8, 256, random(3)), 8, 256);
  const activations = machine.activations(format, [x, x, x, x, x]);
  allNaN(machine.gemv(matrix, activations.at), 'GEMV');
  for (const y of machine.gemm(matrix, activations.at, activations.stride, 5)) allNaN(y, 'GEMM');
}

// A kernel's first calls run the baseline compiler's code, its later ones the optimizing one's: a process for each,
// since V8 keeps compiled code of the same module.
const [compiler, ...variants] = process.argv.slice(2);
if (compiler !== 'baseline' && compiler !== 'optimizing') {
  const codes = [];
  for (const each of ['baseline', 'optimizing']) {
    const child = fork(fileURLToPath(import.meta.url), [each, ...process.argv.slice(2)]);
    const [code, signal] = await once(child, 'exit');
    if (code !== 0) console.error(`kernels: ${each}: ${signal ?? `exit code ${code}`}`);
    codes.push(code);
  }
  process.exit(codes.every((code) => code === 0) ? 0 : 1);
}

useCompiler(compiler);
let failed = 0;
for (const variant of variants.length > 0 ? variants : VARIANTS) {
  const machine = new Machine(variant);
  let passed = 0;
  for (const format of [...FORMATS.filter(({ interleave }) => !interleave), ...OTHER_LAYOUTS]) {
    for (const check of [dequantize, ordinary, extreme, nan]) {
      try {
        check(machine, format);
        passed++;
      } catch (error) {
        failed++;
        console.error(
          `FAIL  ${variant}, ${compiler}, ${format.name} ${format.layout}, ${check.name}: ${error.message}`,
        );
      }
    }
  }
  console.log(
    `kernels: ${variant}, ${compiler}: ${passed} passed (${process.arch}, Node ${process.versions.node})`,
  );
}
if (failed > 0) console.error(`kernels: ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
