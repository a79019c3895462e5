/**
 * AWQ: Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", MLSys 2024
 * (arXiv:2306.00978).
 *
 * A weight matters as much as the inputs it meets. Its column is made larger before quantization, and the input smaller
 * by the same factor in what comes before (folds.ts), so that its relative error shrinks. Factors come from the mean
 * magnitude of the input: s = mean|x|^alpha, and for each input alpha is the one of 20 in [0, 1) that makes the error of
 * the outputs smallest, ||Q(W diag(s)) (X / s) - W X||, over all matrices that share the input (section 3.2). Then the
 * ranges of weights are searched, group by group (clipping.ts), but for queries and keys, as the authors do.
 *
 * Q is the quantizer of the type that is asked for, and searches for its scales with importance, that is by the error
 * weighted with the mean squares of X / s, where the type has such a search. alpha = 0 with whole ranges, which is importance
 * alone, is among what is compared.
 *
 * Simplified:
 * - The error is taken on samples of the calibration tokens, and of each matrix on its own: attention and feed-forward
 *   blocks are not run.
 * - Inputs whose factors can go nowhere (GELU without a gate) keep their scale; experts are rounded as they are.
 * - The result is an ordinary GGUF file of any type; the paper's own packed format and kernels are not needed.
 */
import type { Observation } from '../../../src/engine/types.ts';
import { NibbleError } from '../../../src/errors.ts';
import { Passes, type Input } from '../../calibration/calibration.ts';
import { layerOf, partOf } from '../../layers.ts';
import type { PlannedTensor } from '../plan.ts';
import { sourcesOf, type TensorTreatment } from '../pool.ts';
import { checkFoldable, foldOf, Scaling, sharedMeans, type Fold } from './folds.ts';
import type { Method, MethodContext } from './types.ts';

/** Candidates alpha = 0, 1/20 ... 19/20. */
const CANDIDATES = 20;
/** Tokens on which errors are measured, spread over the calibration text. */
const SAMPLES = 128;
/** Bytes of samples in memory at a time. */
const MOST_BYTES = 2 ** 29;
const LEAST_SCALE = 1e-4;
/** Parts whose outputs are multiplied with each other: what clipping does there is not what the search measures. */
const UNCLIPPED = /^attn_(q|k)/;

/** What is known of an input after a pass over the text. */
interface Activations {
  /** Sums of |x| and of x^2 by column. */
  magnitudes: Float64Array;
  squares: Float64Array;
  tokens: number;
  /** [sampled x columns] */
  samples: Float32Array;
  sampled: number;
}

export class Awq implements Method {
  private readonly context: MethodContext;
  private readonly planned: ReadonlyMap<string, PlannedTensor>;
  private readonly inputOf = new Map<string, Input>();
  private readonly passes: Passes;
  private readonly scaling = new Scaling();
  /** Of the layers that the last pass was for. */
  private activations = new Map<Input, Activations>();

  /** @throws UsageError for an architecture that factors cannot be folded into */
  constructor(context: MethodContext) {
    const { calibration, plan } = context;
    checkFoldable(calibration.architecture, 'awq');
    this.context = context;
    this.planned = new Map(plan.tensors.map((planned) => [planned.tensor.name, planned]));
    for (const input of calibration.inputs) for (const name of input.tensors) this.inputOf.set(name, input);
    this.passes = new Passes(
      calibration.inputs,
      ({ width }) => SAMPLES * width * 4,
      MOST_BYTES,
      (inputs, pass, passes) => this.collect(inputs, pass, passes),
    );
  }

  async treat(planned: PlannedTensor): Promise<TensorTreatment> {
    const { name } = planned.tensor;
    await this.passes.reach(layerOf(name));
    const treatment = await this.scaling.treat(planned);
    const input = this.inputOf.get(name);
    if (!input || planned.type.blockSize === 1) return treatment;
    const { samples, ...sums } = this.activations.get(input)!;
    const { columns: scales = new Float32Array(input.width).fill(1) } = treatment;
    const importance = importanceOf(sums).map((value, k) => value / scales[k]! ** 2);
    if (UNCLIPPED.test(partOf(name) ?? '')) return { ...treatment, importance };
    const clipFor = samples.map((value, i) => value / scales[i % input.width]!);
    return { ...treatment, importance, clipFor };
  }

  private async collect(inputs: readonly Input[], pass: number, passes: number): Promise<void> {
    const { calibration, file } = this.context;
    const found = new Map<Input, Activations>();
    const count = Math.min(SAMPLES, calibration.tokens & ~1);
    await calibration.run(
      inputs,
      (input, observation) => {
        const activations = found.get(input) ?? empty(input, count);
        found.set(input, activations);
        add(activations, observation, Math.floor(calibration.tokens / count));
      },
      { pass, passes },
    );
    this.activations = found;
    for (const [input, activations] of found) {
      const fold = foldOf(file, calibration.architecture, input);
      const scales = fold && (await this.search(input, fold, activations));
      if (scales) this.scaling.add(input, fold, scales);
    }
  }

  /** The best scales of an input's columns; undefined: those that they have. */
  private async search(
    { tensors, width }: Input,
    fold: Fold,
    activations: Activations,
  ): Promise<Float32Array | undefined> {
    const { file, modules, threads } = this.context;
    const { magnitudes, tokens, samples } = activations;
    const means = sharedMeans(
      fold,
      magnitudes.map((sum) => sum / tokens),
    );
    const scales = candidates(means);
    const importance = importanceOf(activations);
    const losses = new Float64Array(CANDIDATES);
    const tasks = tensors.flatMap((name) => {
      const planned = this.planned.get(name)!;
      return [...sourcesOf(file, modules, planned)].map(({ source }) =>
        threads.outputErrors({ ...source, to: planned.type.id, scales, samples, importance }),
      );
    });
    for (const errors of await Promise.all(tasks)) errors.forEach((error, i) => (losses[i]! += error));
    if (!losses.every(Number.isFinite)) {
      throw new NibbleError('ERR_CALIBRATION', `${tensors[0]}: the errors of its outputs are not finite`);
    }
    const best = losses.indexOf(Math.min(...losses));
    return best === 0 ? undefined : scales.slice(best * width, (best + 1) * width);
  }
}

function empty({ width }: Input, samples: number): Activations {
  return {
    magnitudes: new Float64Array(width),
    squares: new Float64Array(width),
    tokens: 0,
    samples: new Float32Array(samples * width),
    sampled: 0,
  };
}

/** @param every so many tokens one is a sample */
function add(activations: Activations, { rows, width, count }: Observation, every: number): void {
  const { magnitudes, squares, samples } = activations;
  for (let row = 0, at = 0; row < count; row++) {
    if (activations.tokens % every === 0 && activations.sampled * width < samples.length) {
      samples.set(rows.subarray(at, at + width), activations.sampled++ * width);
    }
    for (let k = 0; k < width; k++, at++) {
      magnitudes[k]! += Math.abs(rows[at]!);
      squares[k]! += rows[at]! ** 2;
    }
    activations.tokens++;
  }
}

/** Mean squares of the columns. */
function importanceOf({ squares, tokens }: Pick<Activations, 'squares' | 'tokens'>): Float32Array {
  return Float32Array.from(squares, (sum) => sum / tokens);
}

/** [CANDIDATES x columns]: means^alpha, divided by the root of largest times smallest, so that they lie around 1. */
export function candidates(means: Float64Array): Float32Array {
  const all = new Float32Array(CANDIDATES * means.length);
  for (let i = 0; i < CANDIDATES; i++) {
    const powers = means.map((mean) => Math.max(mean ** (i / CANDIDATES), LEAST_SCALE));
    const middle = Math.sqrt(
      powers.reduce((a, b) => Math.max(a, b)) * powers.reduce((a, b) => Math.min(a, b)),
    );
    all.set(
      powers.map((power) => power / middle),
      i * means.length,
    );
  }
  return all;
}
