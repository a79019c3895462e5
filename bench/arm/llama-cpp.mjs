// @ts-check
/** llama.cpp's own loops, counted with the same tool: the native library that node-llama-cpp ships for ARM64. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CPUS, GEMM_TOKENS, PRODUCT } from './plan.mjs';

/** @type {typeof import('../../tools/arm/count.ts')} */
const { countBinary } = await import(new URL('../../dist/tools/arm/count.js', import.meta.url).href);

/** Which of its libraries llama.cpp loads there: armv8.2_1 is the one with dotprod and without i8mm. */
const LIBRARIES = { 'cortex-a76': 'libggml-cpu-armv8.2_1.so', 'cortex-a72': 'libggml-cpu-armv8.0_1.so' };

/** Formats that it repacks where there is dotprod; the others, and all without, go row by row. */
const REPACKED = new Map([
  ['Q4_0', 'q4_0_4x4_q8_0'],
  ['Q8_0', 'q8_0_4x4_q8_0'],
  ['Q4_K', 'q4_K_8x4_q8_K'],
  ['Q5_K', 'q5_K_8x4_q8_K'],
  ['Q6_K', 'q6_K_8x4_q8_K'],
  ['IQ4_NL', 'iq4_nl_4x4_q8_0'],
  ['MXFP4', 'mxfp4_4x4_q8_0'],
]);

/** A row of each format times a token. */
const VEC_DOTS = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
  ['Q4_0', 'q4_0_q8_0'],
  ['Q4_1', 'q4_1_q8_1'],
  ['Q5_0', 'q5_0_q8_0'],
  ['Q5_1', 'q5_1_q8_1'],
  ['Q8_0', 'q8_0_q8_0'],
  ['Q2_K', 'q2_K_q8_K'],
  ['Q3_K', 'q3_K_q8_K'],
  ['Q4_K', 'q4_K_q8_K'],
  ['Q5_K', 'q5_K_q8_K'],
  ['Q6_K', 'q6_K_q8_K'],
  ['IQ4_NL', 'iq4_nl_q8_0'],
  ['MXFP4', 'mxfp4_q8_0'],
]);

/**
 * @param {{ cache: string, say: (line: string) => void }} host
 * @returns {Promise<import('./report.mjs').Reference>}
 */
export async function countLlamaCpp({ cache, say }) {
  const { folder, version } = install(join(cache, 'llama-cpp'), say);
  const program = compile(cache, say);
  /** @type {import('./report.mjs').Reference['kernels']} */
  const kernels = {};
  for (const cpu of /** @type {import('./plan.mjs').Cpu[]} */ (Object.keys(CPUS))) {
    const repacked = cpu === 'cortex-a76' ? REPACKED : new Map();
    const wanted = [...VEC_DOTS].flatMap(([format, dot]) =>
      ['gemv', 'gemm'].map((kernel) => {
        const name = repacked.get(format);
        return { kernel, format, symbol: name ? `ggml_${kernel}_${name}` : `ggml_vec_dot_${dot}` };
      }),
    );
    const sizes = [PRODUCT.rows, PRODUCT.columns, GEMM_TOKENS].map(String);
    const symbols = [...new Set(wanted.map(({ symbol }) => symbol))];
    const counts = await countBinary(cpu, [program, join(folder, LIBRARIES[cpu]), ...sizes, ...symbols]);
    kernels[cpu] = Object.fromEntries(
      wanted.map(({ kernel, format, symbol }) => {
        const tokens = symbol.includes('gemm') ? GEMM_TOKENS : 1;
        const per32 =
          (32 * (counts.get(symbol)?.['total'] ?? NaN)) / (PRODUCT.rows * PRODUCT.columns * tokens);
        return [`${kernel} ${format}`, Math.round(per32 * 100) / 100];
      }),
    );
  }
  return { about: `node-llama-cpp ${version}`, kernels };
}

/** @param {string} folder @param {(line: string) => void} say */
function install(folder, say) {
  const library = join(folder, 'node_modules', '@node-llama-cpp', 'linux-arm64');
  if (!existsSync(library)) {
    say('installing the library of llama.cpp for ARM64 ...');
    mkdirSync(folder, { recursive: true });
    // --force: npm refuses packages of another processor otherwise.
    run('npm', [
      ...'install --silent --force --no-audit --no-fund --prefix'.split(' '),
      folder,
      '@node-llama-cpp/linux-arm64',
    ]);
  }
  const { version } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'));
  return { folder: join(library, 'bins', 'linux-arm64'), version };
}

/** @param {string} cache @param {(line: string) => void} say */
function compile(cache, say) {
  const compiler = 'aarch64-linux-gnu-gcc';
  if (spawnSync(compiler, ['--version']).error) {
    say('installing a compiler for ARM64 ...');
    run('apt-get', [
      ...'install -qy --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross'.split(' '),
    ]);
  }
  const program = join(cache, 'native-loops');
  const source = fileURLToPath(new URL('../../tools/arm/native-loops.c', import.meta.url));
  run(compiler, ['-O2', source, '-o', program, '-ldl']);
  return program;
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr.trim()}`);
}
