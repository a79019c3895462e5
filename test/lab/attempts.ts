/** Kernels as learners write them: the right ones with one thing wrong, and what the check must say about each. */
import { readFileSync } from 'node:fs';
import { solutionFile } from '../../lab/tool/paths.ts';
import { stageOf } from '../../lab/tool/stages.ts';

export interface Attempt {
  stage: string;
  mistake: string;
  /** Text of the solution, and what stands there instead. */
  change: readonly [string | RegExp, string][];
  /** The finding that must fail, and words of its message. */
  fails: 'compiles' | 'results' | 'bounds' | 'workers';
  message: RegExp;
}

/** The solution with the attempt's mistake in it. */
export function sourceOf({ stage, change }: Attempt): string {
  let source = readFileSync(solutionFile(stageOf(stage)), 'utf8');
  for (const [from, to] of change) {
    const changed = source.replace(from, to);
    if (changed === source) throw new Error(`${stage}: there is no ${from} to change`);
    source = changed;
  }
  return source;
}

export const ATTEMPTS: readonly Attempt[] = [
  {
    stage: '01-loop-unrolling',
    mistake: 'the last rows are left out',
    change: [['row < rows; row += 4', 'row < rows - 4; row += 4']],
    fails: 'results',
    message: /never written: off by one/,
  },
  {
    stage: '01-loop-unrolling',
    mistake: 'the last block is left out',
    change: [['b < blocks', 'b < blocks - 1']],
    fails: 'results',
    message: /the last block of every row is left out/,
  },
  {
    stage: '01-loop-unrolling',
    mistake: 'one row too many is written',
    change: [['row < rows; row += 4', 'row <= rows; row += 4']],
    fails: 'results',
    message: /writes where it must not: 0 bytes after the end of the output/,
  },
  {
    stage: '03-simd',
    mistake: 'the minimum is missing',
    change: [['minimums += minimum(w) * load<f32>(x + X_SUM);', '']],
    fails: 'results',
    message: /the minimum is left out/,
  },
  {
    stage: '03-simd',
    mistake: 'nibbles are exchanged',
    change: [
      [
        'const low = v128.and(pairs, i8x16.splat(15)), high = i8x16.shr_u(pairs, 4)',
        'const high = v128.and(pairs, i8x16.splat(15)), low = i8x16.shr_u(pairs, 4)',
      ],
    ],
    fails: 'results',
    message: /low and high nibbles are exchanged/,
  },
  {
    stage: '03-simd',
    mistake: 'every result is NaN',
    change: [['return minimums +', 'return NaN * minimums +']],
    fails: 'results',
    message: /all 8 outputs are wrong/,
  },
  {
    stage: '03-simd',
    mistake: 'NaN is hidden',
    change: [
      [
        'let sums = f32x4.splat(0);',
        'if (!(load<f32>(x + X_SCALE) < 1e9)) return 0;\n  let sums = f32x4.splat(0);',
      ],
    ],
    fails: 'results',
    message: /not a number must make the output NaN/,
  },
  {
    stage: '03-simd',
    mistake: 'sums start from what the output holds',
    change: [
      ['y + (<usize>row << 2), dotRow(', 'y + (<usize>row << 2), load<f32>(y + (<usize>row << 2)) + dotRow('],
    ],
    fails: 'results',
    message: /depends on what the output.* held before/,
  },
  {
    stage: 'w8a8-03-simd',
    mistake: '16 bits for a sum of two large products',
    change: [
      [/dots = i32x4.add\(dots, i32x4.extadd_pairwise_i16x8_s\(i16x8.extmul_low_i8x16_s\(a, b\)\)\);\n/, ''],
      [
        'i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_high_i8x16_s(a, b))',
        'i32x4.extadd_pairwise_i16x8_s(i16x8.add(i16x8.extmul_low_i8x16_s(a, b), i16x8.extmul_high_i8x16_s(a, b)))',
      ],
    ],
    fails: 'results',
    message: /wrong/,
  },
  {
    stage: 'w8a8-01-loop-unrolling',
    mistake: 'the bias is missing',
    change: [['load<f32>(w + BIAS) + ', '']],
    fails: 'results',
    message: /the bias is left out/,
  },
  {
    stage: '05-memory-layout',
    mistake: 'only the first token is read',
    change: [['activations + <usize>token * xStride(columns)', 'activations']],
    fails: 'results',
    message: /activations' address must move/,
  },
  {
    stage: '03-simd',
    mistake: 'a load reaches beyond the weights',
    change: [
      [
        'v128.load(w + NIBBLES)',
        'v128.shuffle<i8>(v128.load(w + NIBBLES), v128.load(w + 20), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)',
      ],
    ],
    fails: 'bounds',
    message: /weights end where the memory ends/,
  },
  {
    stage: '06-dot-product',
    mistake: 'a loop does not end',
    change: [[/w \+= BLOCK_BYTES;\s*x \+= X_BYTES;/, 'b--;']],
    fails: 'results',
    message: /did not return within .* a loop that does not end/,
  },
  {
    stage: '02-multithreading',
    mistake: 'the counter is not atomic',
    change: [
      [
        "import { nextChunk } from '../kit/workers';",
        'function nextChunk(at: usize): i32 {\n  const chunk = load<i32>(at);\n  store<i32>(at, chunk + 1);\n  return chunk;\n}',
      ],
    ],
    fails: 'workers',
    message: /a race: the shared counter is changed without an atomic/,
  },
  {
    stage: '02-multithreading',
    mistake: 'shares overlap by a row',
    change: [
      ["import { nextChunk } from '../kit/workers';", "import { first } from '../kit/workers';"],
      [
        /for \(let chunk = nextChunk[^{]*\{\n\s*const begin = .*\n\s*const end = .*\n/,
        '{\n    const begin = first(rows, worker, workers), end = min(rows, first(rows, worker + 1, workers) + 1);\n',
      ],
    ],
    fails: 'workers',
    message: /a race: with 2 workers, workers 0 and 1 both write row 68/,
  },
  {
    stage: '02-multithreading',
    mistake: 'the remainder of the division is lost',
    change: [
      [
        /for \(let chunk = nextChunk[^{]*\{\n\s*const begin = .*\n\s*const end = .*\n/,
        '{\n    const share = rows / workers, begin = worker * share, end = begin + share;\n',
      ],
    ],
    fails: 'workers',
    message: /with 3 workers nobody writes row 135/,
  },
  {
    stage: '02-multithreading',
    mistake: 'nothing is divided',
    change: [
      [
        /for \(let chunk = nextChunk[^{]*\{\n\s*const begin = .*\n\s*const end = .*\n/,
        'if (worker == 0) {\n    const begin = 0, end = rows;\n',
      ],
    ],
    fails: 'workers',
    message: /the work is not divided/,
  },
  {
    stage: '08-prefill-tiling',
    mistake: 'all workers share one scratch',
    change: [['columns, tokens, scratch);', 'columns, tokens, scratch - 65536 * worker);']],
    fails: 'workers',
    message: /writes where it must not: .* of the other workers' scratch/,
  },
  {
    stage: '07-all-techniques',
    mistake: 'constants serve as scratch',
    change: [
      [
        'const groups = rows / GROUP_ROWS;',
        'const groups = rows / GROUP_ROWS;\n  store<i32>(MASK, rows, 16);',
      ],
    ],
    fails: 'results',
    message: /writes where it must not: among the module's constants/,
  },
  {
    stage: '03-simd',
    mistake: 'types are mixed',
    change: [['let minimums: f32 = 0;', 'let minimums: f32 = blocks;']],
    fails: 'compiles',
    message: /03-simd\.ts:\d+:\d+: .*\(numbers of different types do not mix/,
  },
  {
    stage: '03-simd',
    mistake: 'an array is used',
    change: [
      [
        'let minimums: f32 = 0;',
        'const list = new Array<f32>(blocks);\n  let minimums: f32 = list[blocks - 1];',
      ],
    ],
    fails: 'compiles',
    message: /uses arrays, strings or `new`/,
  },
  {
    stage: '03-simd',
    mistake: 'a foreign file is imported',
    change: [["from '../kit/q4-rows';", "from '../../package';"]],
    fails: 'compiles',
    message: /may import only files of lab\/kit/,
  },
  {
    stage: '03-simd',
    mistake: 'a bracket is missing',
    change: [['let sums = f32x4.splat(0);', 'let sums = f32x4.splat(0;']],
    fails: 'compiles',
    message: /03-simd\.ts:\d+:\d+: .*a bracket/,
  },
];

/** Mistakes that can be made in any stage, around a kernel that is right; `inner` is the course's. */
export interface Mishap {
  mistake: string;
  /** What linear does. */
  body: string;
  /** Only where the work is divided. */
  divided?: boolean;
  fails: Attempt['fails'];
  message: RegExp;
}

const PARAMETERS = `weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,`;
const REST = 'columns, tokens, worker, workers, counter, scratch';

/** The course's kernel of a stage with a mishap around it. */
export function mishapOf(stage: string, { body }: Mishap): string {
  const solution = readFileSync(solutionFile(stageOf(stage)), 'utf8');
  const inner = solution.replace('export function linear(', 'function inner(');
  return `${inner}\nexport function linear(\n  ${PARAMETERS}\n): void {\n  ${body}\n}\n`;
}

export const MISHAPS: readonly Mishap[] = [
  {
    mistake: 'the last rows are left out',
    body: `if (tokens > 1) inner(weights, activations, output, rows, ${REST});
  else if (rows > 8) inner(weights, activations, output, rows - 8, ${REST});`,
    fails: 'results',
    message: /never written: off by one/,
  },
  {
    mistake: 'a row too many is written',
    body: `inner(weights, activations, output, rows, ${REST});
  store<f32>(output + (<usize>(rows * tokens) << 2), 0);`,
    fails: 'results',
    message: /writes where it must not: 0 bytes after the end of the output/,
  },
  {
    mistake: 'a result is NaN',
    body: `inner(weights, activations, output, rows, ${REST});
  store<f32>(output + 4, NaN);`,
    fails: 'results',
    message: /row 1 is wrong .*NaN instead of/,
  },
  {
    mistake: 'a load reaches beyond the activations',
    body: `inner(weights, activations, output, rows, ${REST});
  store<u8>(scratch, load<u8>(activations + 65536));`,
    fails: 'bounds',
    message: /activations end where the memory ends/,
  },
  {
    mistake: 'every worker does everything',
    // With a counter of its own.
    body: `store<i32>(scratch, 0);
  inner(weights, activations, output, rows, columns, tokens, 0, 1, scratch, scratch + 64);`,
    divided: true,
    fails: 'workers',
    message: /a race: with 2 workers, workers 0 and 1 both write row 0/,
  },
];
