// @ts-check
/** The command line of `npm run bench:kernels`. */
import { FLAG, TEXT, UsageError, count, counts, list, parse, someOf } from '../options.mjs';

export const HELP = `usage: npm run bench:kernels -- [options]
Times the weight kernels: every format, variant, typical shape and thread count, in short alternated rounds.
  --kernel LIST      gemv, gemm (default both)
  --format LIST      as Q4_0,Q4_K (default all)
  --variant LIST     simd, dot2, dot4 (default all that run here)
  --shape LIST       rows x columns, as 5632x2048 (default typical ones)
  --tokens N         rows of activations of a GEMM (default 64)
  --threads LIST     (default 1 to all cores)
  --cold             weights come from memory, as in a large model: several copies of a matrix in turn
  --samples N        at least so many, 30 or more (default 30)
  --sample-ms N      milliseconds of a sample (default 5)
  --quick            one shape, Q4_0, Q4_K and Q8_0, short samples, 1 thread, unless told otherwise
  --revectorize      let V8 join operations to 256 bits (Node 24 to 26, x64)
  --against DIR      also the modules of another folder (a copy of dist/kernels), alternated: prints ratios
  --out FILE         write a JSON document with every sample
  --compare FILE     ratios to an earlier --out, with confidence; regressions beyond noise are marked
  --json             the JSON document on standard output, and nothing else
  --chart FILE       a bar chart, as FILE.svg or FILE.png
example: npm run bench:kernels -- --format Q4_0 --kernel gemm --shape 2048x2048 --threads 1
`;

/** Formats of --quick. */
const QUICK_FORMATS = ['Q4_0', 'Q4_K', 'Q8_0'];
const QUICK_SHAPES = '2048x2048';
/** Feed-forward of SmolLM2-135M; attention and feed-forward of a 1.1B model; one that no cache holds. */
const GEMV_SHAPES = '1536x576,2048x2048,5632x2048,32000x4096';
/** Without the last one: a GEMM reads each weight once for all tokens, so memory hardly counts. */
const GEMM_SHAPES = '1536x576,2048x2048,5632x2048';
const LEAST_SAMPLES = 30;

/** @typedef {{ rows: number, columns: number }} MatrixShape */

/**
 * @typedef {object} Options
 * @property {('gemv' | 'gemm')[]} kernels
 * @property {string[] | undefined} formats undefined: all
 * @property {string[] | undefined} variants undefined: all that run here
 * @property {Record<'gemv' | 'gemm', MatrixShape[]>} shapes
 * @property {number} tokens
 * @property {number[]} threads
 * @property {boolean} cold
 * @property {number} samples
 * @property {number} sampleMs
 * @property {boolean} revectorize
 * @property {string} [against]
 * @property {string} [out]
 * @property {string} [compare]
 * @property {boolean} json
 * @property {string} [chart]
 * @property {boolean} help
 */

/**
 * @param {string[]} args
 * @param {{ cores: number, formats: readonly string[], variants: readonly string[] }} known
 * @returns {Options}
 */
export function parseOptions(args, { cores, formats, variants }) {
  const values = parse(args, {
    kernel: TEXT,
    format: TEXT,
    variant: TEXT,
    shape: TEXT,
    tokens: TEXT,
    threads: { ...TEXT, short: 't' },
    cold: FLAG,
    samples: TEXT,
    'sample-ms': TEXT,
    quick: FLAG,
    revectorize: FLAG,
    against: TEXT,
    out: TEXT,
    compare: TEXT,
    json: FLAG,
    chart: TEXT,
  });
  const quick = values.quick ?? false;
  const shapes = values.shape ?? (quick ? QUICK_SHAPES : undefined);
  const threads = values.threads
    ? counts('--threads', values.threads)
    : Array.from({ length: quick ? 1 : cores }, (_, i) => i + 1);
  const samples = count('--samples', values.samples ?? String(LEAST_SAMPLES));
  if (samples < LEAST_SAMPLES) throw new UsageError(`--samples: at least ${LEAST_SAMPLES}`);
  const tokens = count('--tokens', values.tokens ?? '64');
  if (tokens < 4) throw new UsageError('--tokens: at least 4, fewer go through the GEMV kernel');
  return {
    kernels: /** @type {('gemv' | 'gemm')[]} */ (someOf('--kernel', values.kernel, ['gemv', 'gemm'])),
    formats: values.format ? someOf('--format', values.format, formats) : quick ? QUICK_FORMATS : undefined,
    variants: values.variant ? someOf('--variant', values.variant, variants) : undefined,
    shapes: { gemv: parseShapes(shapes ?? GEMV_SHAPES), gemm: parseShapes(shapes ?? GEMM_SHAPES) },
    tokens,
    threads,
    cold: values.cold ?? false,
    samples,
    sampleMs: count('--sample-ms', values['sample-ms'] ?? (quick ? '2' : '5')),
    revectorize: values.revectorize ?? false,
    against: values.against,
    out: values.out,
    compare: values.compare,
    json: values.json ?? false,
    chart: values.chart,
    help: values.help ?? false,
  };
}

/** @param {string} text @returns {MatrixShape[]} */
function parseShapes(text) {
  return list(text).map((each) => {
    const match = /^(\d+)x(\d+)$/.exec(each);
    const [rows, columns] = [Number(match?.[1]), Number(match?.[2])];
    // K formats have blocks of 256 columns; 576 is what SmolLM2 has, for the others.
    if (!match || rows < 8 || rows % 8 || columns < 32 || columns % 32) {
      throw new UsageError(
        `--shape: "${each}" is not ROWSxCOLUMNS with rows a multiple of 8 and columns one of 32`,
      );
    }
    return { rows, columns };
  });
}
