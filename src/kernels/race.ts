/**
 * Which kernel variant is right and fastest here: known inputs through Q4_0's GEMV and GEMM.
 *
 * Nothing here decides where it runs. On Node it is a child process (platform/node/race-child.ts), because a
 * compiler bug in the JavaScript engine kills the process instead of throwing.
 */
import { GEMM_KERNEL, GEMV_KERNEL, REPACK_KERNEL, instantiate, type KernelExports } from './exports.ts';
import { FORMATS, activationBytes, fileRowBytes, groupBytes } from './formats.ts';

/** All variants; the first one is what the others are checked against. */
export const VARIANTS = ['simd', 'dot2', 'dot4'] as const;
export type Variant = (typeof VARIANTS)[number];

/** 10^9 multiply-accumulates per second, one thread. */
export interface Gmacs {
  gemv: number;
  gemm: number;
}

export interface VariantResult {
  variant: Variant;
  /** It runs here and computes what it should. */
  ok: boolean;
  /** Absent where it was not timed. */
  gmacs?: Gmacs;
  /** Why not ok. */
  reason?: string;
}

interface Shape {
  rows: number;
  columns: number;
  tokens: number;
}

/** Odd on purpose: more blocks than the GEMM unpacks at a time, a tile of four tokens and one left over. */
const CHECK: Shape = { rows: 32, columns: 576, tokens: 5 };
/** Small enough for short turns and the second-level cache of small CPUs: it is arithmetic that is compared. */
const TIMED: Shape = { rows: 512, columns: 1024, tokens: 8 };
/** Rows of TIMED that a GEMM call covers, so that a turn of GEMM takes about as long as one of GEMV. */
const GEMM_ROWS = 128;
const CALLS_PER_TURN = 4;
const LEAST_ROUNDS = 3;
/** No figure rose for so long: nothing better is being compiled any more. */
const SETTLED_MS = 20;

const PAGES = 24;
/** Constants and the control block of a kernel module lie below; one page each is more than they need. */
const FIRST_FREE = 0x10000;
const TOLERANCE = 1e-5;

type Weights = 'random' | 'largest';
const Q4_0 = FORMATS.find((format) => format.name === 'Q4_0')!;

/** The same numbers on every machine: -1 <= x < 1. */
export function generator(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

/** A matrix and a batch, laid out in a module's memory as an engine would. */
class Bench {
  readonly #memory: WebAssembly.Memory;
  readonly #shape: Shape;
  readonly #blocks: number;
  readonly #groupBytes: number;
  readonly #xBytes: number;
  readonly #weights: number;
  readonly #x: number;
  readonly #y: number;
  readonly #scratch: number;
  readonly #gemv: (...args: number[]) => void;
  readonly #gemm: (...args: number[]) => void;

  constructor(
    kernels: KernelExports,
    memory: WebAssembly.Memory,
    shape: Shape,
    weights: Weights,
    activation: () => number,
  ) {
    const { rows, columns, tokens } = shape;
    this.#memory = memory;
    this.#shape = shape;
    this.#blocks = columns / 32;
    this.#groupBytes = groupBytes(Q4_0, columns);
    this.#xBytes = activationBytes('int8', columns);
    const rowBytes = fileRowBytes(Q4_0, columns);
    const index = (kind: number) => kernels.kernelIndex(Q4_0.kernel, kind);
    this.#gemv = kernels.table.get(index(GEMV_KERNEL));
    this.#gemm = kernels.table.get(index(GEMM_KERNEL));

    let free = FIRST_FREE;
    const place = (bytes: number) => {
      const at = free;
      free += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const raw = place(rows * rowBytes);
    const x32 = place(columns * 4);
    this.#weights = place((rows / 8) * this.#groupBytes);
    this.#x = place(tokens * this.#xBytes);
    this.#y = place(tokens * rows * 4);
    this.#scratch = place(16 * 320);

    const { buffer } = memory;
    fillBlocks(new Uint8Array(buffer, raw, rows * rowBytes), weights);
    kernels.repackGroups(
      index(REPACK_KERNEL),
      raw,
      rowBytes,
      rows,
      this.#weights,
      this.#groupBytes,
      this.#blocks,
    );
    const row = new Float32Array(buffer, x32, columns);
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < columns; i++) row[i] = activation();
      kernels.quantizeRow(x32, columns, this.#x + t * this.#xBytes, 0);
    }
  }

  /** y += W x for the first token: two streams of row groups. */
  gemv(): void {
    const { rows } = this.#shape;
    const groups = rows / 16;
    const half = groups * this.#groupBytes;
    this.#gemv(
      this.#weights,
      this.#weights + half,
      this.#x,
      this.#y,
      this.#y + rows * 2,
      groups,
      this.#blocks,
    );
  }

  /** Y += X W^T for the first `rows` rows. */
  gemm(rows = this.#shape.rows): void {
    const { tokens, rows: stride } = this.#shape;
    for (let g = 0; g < rows / 8; g++) {
      this.#gemm(
        this.#weights + g * this.#groupBytes,
        this.#x,
        this.#xBytes,
        this.#y + g * 32,
        stride * 4,
        tokens,
        this.#blocks,
        this.#scratch,
      );
    }
  }

  /** What `run` computes, from zero. */
  output(run: () => void, tokens: number): Float32Array {
    const y = new Float32Array(this.#memory.buffer, this.#y, tokens * this.#shape.rows);
    y.fill(0);
    run();
    return y.slice();
  }
}

/** Fills Q4_0 blocks as files hold them: an f16 scale, 32 nibbles. */
export function fillBlocks(bytes: Uint8Array, weights: Weights): void {
  const random = generator();
  for (let at = 0; at < bytes.length; at += 18) {
    // 0x3c00 is 1; 0x2100 .. 0x22ff lies between 1/128 and 1/64, of either sign.
    bytes[at] = weights === 'largest' ? 0 : random() * 128 + 128;
    bytes[at + 1] =
      weights === 'largest' ? 0x3c : 0x20 + (random() < 0 ? 0x80 : 0) + Math.floor(random() + 2);
    for (let k = 2; k < 18; k++) bytes[at + k] = weights === 'largest' ? 0xff : random() * 128 + 128;
  }
}

/** A variant's module at work. */
export class Contestant {
  readonly #kernels: KernelExports;
  readonly #memory: WebAssembly.Memory;
  #timed: Bench | undefined;

  constructor(module: WebAssembly.Module) {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
    this.#kernels = instantiate(module, memory);
    this.#memory = memory;
  }

  /** The check's outputs: random weights, then the largest ones with all activations +127 and all -127. */
  check(): Float32Array[] {
    this.#timed = undefined; // they share the memory
    const random = generator();
    const cases: [Weights, () => number][] = [
      ['random', random],
      ['largest', () => 127],
      ['largest', () => -127],
    ];
    return cases.flatMap(([weights, activation]) => {
      const bench = new Bench(this.#kernels, this.#memory, CHECK, weights, activation);
      return [bench.output(() => bench.gemv(), 1), bench.output(() => bench.gemm(), CHECK.tokens)];
    });
  }

  /** One turn of each kernel. */
  turn(): Gmacs {
    this.#timed ??= new Bench(this.#kernels, this.#memory, TIMED, 'random', generator());
    const bench = this.#timed;
    const { rows, columns, tokens } = TIMED;
    return {
      gemv: rate(rows * columns, () => bench.gemv()),
      gemm: rate(GEMM_ROWS * columns * tokens, () => bench.gemm(GEMM_ROWS)),
    };
  }
}

function rate(macs: number, run: () => void): number {
  const start = performance.now();
  for (let i = 0; i < CALLS_PER_TURN; i++) run();
  // A browser's clock may stand still for 0.1 ms.
  return (macs * CALLS_PER_TURN) / Math.max(performance.now() - start, 1e-3) / 1e6;
}

/** Why `outputs` are not right, or undefined. `reference`: those of the plain variant, absent for itself. */
export function fault(outputs: Float32Array[], reference: Float32Array[] = outputs): string | undefined {
  const names = ['GEMV', 'GEMM', 'GEMV at +127', 'GEMM at +127', 'GEMV at -127', 'GEMM at -127'];
  // Weights 7 x scale 1 x activations of 127: known without any kernel.
  const sum = 7 * 127 * CHECK.columns;
  for (const [i, name] of names.entries()) {
    const got = outputs[i]!,
      expected = reference[i]!;
    let largest = 0;
    for (const value of expected) largest = Math.max(largest, Math.abs(value));
    for (const [k, value] of got.entries()) {
      const right = i < 2 ? expected[k]! : i < 4 ? sum : -sum;
      // Turned around so that NaN is a fault too.
      if (!(Math.abs(value - right) <= TOLERANCE * largest)) return `${name}: ${value} instead of ${right}`;
    }
  }
  return undefined;
}

/**
 * Times the contestants in short alternated rounds, best of each. WebAssembly starts in code that is compiled
 * quickly and slow, and a better version replaces it some milliseconds later, nobody says when: so there are
 * rounds until `until` (of performance.now), and beyond it, up to `latest`, while figures still rise.
 *
 * `before` is told whose turn it is, `after` gets the best so far; an exception in a turn is the caller's.
 */
export function race(
  contestants: ReadonlyMap<Variant, Contestant>,
  { until, latest }: { until: number; latest: number },
  before: (variant: Variant) => void,
  after: (variant: Variant, best: Gmacs) => void,
): void {
  if (contestants.size === 0) return;
  const best = new Map<Variant, Gmacs>();
  let risen = performance.now();
  for (let round = 1; ; round++) {
    for (const [variant, contestant] of contestants) {
      before(variant);
      const { gemv, gemm } = contestant.turn();
      const old = best.get(variant) ?? { gemv: 0, gemm: 0 };
      if (gemv <= old.gemv && gemm <= old.gemm) continue;
      const now = { gemv: Math.max(old.gemv, gemv), gemm: Math.max(old.gemm, gemm) };
      best.set(variant, now);
      if (gemv > old.gemv * 1.05 || gemm > old.gemm * 1.05) risen = performance.now();
      after(variant, now);
    }
    const time = performance.now();
    if (round >= LEAST_ROUNDS && (time >= latest || (time >= until && time - risen > SETTLED_MS))) return;
  }
}

/** Decode and prefill count alike: the geometric mean of their rates, in GMAC/s. */
export function score({ gmacs }: VariantResult): number {
  return Math.sqrt((gmacs?.gemv ?? 0) * (gmacs?.gemm ?? 0));
}

/** The fastest of those that are right: decode and prefill count the same. */
export function winner(results: readonly VariantResult[]): Variant | undefined {
  const right = results.filter((result) => result.ok && result.gmacs);
  return right.sort((a, b) => score(b) - score(a))[0]?.variant;
}

/** The order in which to believe in variants where nothing can be measured. */
export function preference(arch: string): readonly Variant[] {
  // sdot on ARM does in one instruction what takes dot2 several; x86 without AVX-VNNI is the other way round.
  return arch === 'arm64' ? ['dot4', 'dot2', 'simd'] : ['dot2', 'dot4', 'simd'];
}
