// @ts-check
/** What is counted: shared by the emulated programs and by the one that reads their counts. */

/** The product that a kernel is counted with: a layer's of a small model, so that what each chunk costs by itself weighs what it does there. */
export const PRODUCT = { rows: 512, columns: 2048 };
/** Rows of activations of a GEMM. */
export const GEMM_TOKENS = 16;

/** Emulated processors, and the kernel variant that is counted on each: what nibble prefers there. */
export const CPUS = /** @type {const} */ ({
  'cortex-a76': { variant: 'dot4', about: 'Raspberry Pi 5, has dotprod' },
  'cortex-a72': { variant: 'dot4', about: 'Raspberry Pi 4, has none' },
});

/** @typedef {keyof typeof CPUS} Cpu */

/** What a decoded token is counted with: the shape of SmolLM2-135M, whose weights may be random. */
export const TOKEN_MODEL = 'smollm2-135m:Q4_1';
export const WARM_UP_TOKENS = 24;
export const COUNTED_TOKENS = 8;

/** Workers among which the chunks of a product are shared out. */
export const WORKERS = [1, 2, 4];

/** The matrices of that model, and how many of each it has. */
export const MATRICES = [
  { name: 'query, attention output', format: 'Q4_1', rows: 576, columns: 576, count: 60 },
  { name: 'key, value', format: 'Q4_1', rows: 192, columns: 576, count: 60 },
  { name: 'feed-forward gate, up', format: 'Q4_1', rows: 1536, columns: 576, count: 60 },
  { name: 'feed-forward down', format: 'Q4_1', rows: 576, columns: 1536, count: 30 },
  { name: 'output', format: 'Q8_0', rows: 49152, columns: 576, count: 1 },
];

/** Each count is the least of so many, for this many steps: the JavaScript around a step is compiled and collected. */
export const REPEATS = 3;
export const STEPS = 4;

/** Before the tag of a kernel: what its step costs without any work. */
export const IDLE = 'idle:';
