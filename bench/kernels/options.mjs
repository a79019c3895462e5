// @ts-check
/** The command line of `npm run bench:kernels`. */
import { parseArgs } from 'node:util';

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

/** What the user got wrong. */
export class UsageError extends Error {}

/**
 * @param {string[]} args
 * @param {{ cores: number, formats: readonly string[], variants: readonly string[] }} known
 * @returns {Options}
 */
export function parseOptions(args, { cores, formats, variants }) {
  const { values } = parse(args);
  const quick = values.quick ?? false;
  const shapes = values.shape ?? (quick ? QUICK_SHAPES : undefined);
  const threads = values.threads
    ? list(values.threads).map((text) => count('--threads', text))
    : Array.from({ length: quick ? 1 : cores }, (_, i) => i + 1);
  const samples = count('--samples', values.samples ?? String(LEAST_SAMPLES));
  if (samples < LEAST_SAMPLES) throw new UsageError(`--samples: at least ${LEAST_SAMPLES}`);
  const tokens = count('--tokens', values.tokens ?? '64');
  if (tokens < 4) throw new UsageError('--tokens: at least 4, fewer go through the GEMV kernel');
  return {
    kernels: /** @type {('gemv' | 'gemm')[]} */ (
      oneOf('--kernel', values.kernel ? list(values.kernel) : ['gemv', 'gemm'], ['gemv', 'gemm'])
    ),
    formats: values.format
      ? oneOf('--format', list(values.format), formats)
      : quick
        ? QUICK_FORMATS
        : undefined,
    variants: values.variant ? oneOf('--variant', list(values.variant), variants) : undefined,
    shapes: { gemv: parseShapes(shapes ?? GEMV_SHAPES), gemm: parseShapes(shapes ?? GEMM_SHAPES) },
    tokens,
    threads: [...new Set(threads)],
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

/** @param {string[]} args */
function parse(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  const flag = /** @type {const} */ ({ type: 'boolean' });
  try {
    return parseArgs({
      args,
      options: {
        kernel: text,
        format: text,
        variant: text,
        shape: text,
        tokens: text,
        threads: { ...text, short: 't' },
        cold: flag,
        samples: text,
        'sample-ms': text,
        quick: flag,
        revectorize: flag,
        against: text,
        out: text,
        compare: text,
        json: flag,
        chart: text,
        help: { ...flag, short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message, { cause: error });
  }
}

/** @param {string} text */
const list = (text) =>
  text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

/** @param {string} option @param {string} text */
function count(option, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${option}: "${text}" is not a count`);
  return value;
}

/** The names as they are written in `known`. @param {string} option @param {string[]} names @param {readonly string[]} known */
function oneOf(option, names, known) {
  return names.map((name) => {
    const found = known.find((each) => each.toLowerCase() === name.toLowerCase());
    if (found === undefined)
      throw new UsageError(`${option}: there is no "${name}"; known: ${known.join(', ')}`);
    return found;
  });
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
