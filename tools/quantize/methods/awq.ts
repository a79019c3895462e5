/**
 * AWQ: Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", MLSys 2024
 * (arXiv:2306.00978).
 *
 * A weight matters as much as the inputs it meets. Its column is made larger before quantization, and the input smaller
 * by the same factor in what comes before (folds.ts), so that its relative error shrinks. Factors come from the mean
 * magnitude of the input: s = mean|x|^alpha, and for each input alpha is the one of 20 in [0, 1) that makes the error of
 * the outputs smallest, ||Q(W diag(s)) (X / s) - W X||, over all matrices that share the input (section 3.2).
 *
 * Simplified:
 * - The error is taken on samples of the calibration tokens, and of each matrix on its own: attention and feed-forward
 *   blocks are not run.
 * - No search for a clipping range: the block searches of the K types do something alike.
 * - Inputs whose factors can go nowhere (experts, GELU without a gate) are rounded as they are.
 * - The result is an ordinary GGUF file of any type; the paper's own packed format and kernels are not needed.
 */
import type { Observation } from '../../../src/engine/types.ts';
import { NibbleError } from '../../../src/errors.ts';
import { Passes, type Input } from '../../calibration/calibration.ts';
import { layerOf } from '../../layers.ts';
import type { PlannedTensor } from '../plan.ts';
import { sourcesOf, type TensorTreatment } from '../pool.ts';
import { checkFoldable, foldOf, Scaling, sharedMeans, type Fold } from './folds.ts';
import type { Method, MethodContext } from './types.ts';

/** Candidates alpha = 0, 1/20 ... 19/20; the first is plain rounding. */
const CANDIDATES = 20;
/** Tokens on which errors are measured, spread over the calibration text. */
const SAMPLES = 128;
/** Bytes of samples in memory at a time. */
const MOST_BYTES = 2 ** 29;
const LEAST_SCALE = 1e-4;

/** What is known of an input after a pass over the text. */
interface Activations {
  /** Sums of |x| by column. */
  magnitudes: Float64Array;
  tokens: number;
  /** [sampled x columns] */
  samples: Float32Array;
  sampled: number;
}

export class Awq implements Method {
  private readonly context: MethodContext;
  private readonly planned: ReadonlyMap<string, PlannedTensor>;
  private readonly passes: Passes;
  private readonly scaling = new Scaling();

  /** @throws UsageError for an architecture that factors cannot be folded into */
  constructor(context: MethodContext) {
    const { calibration, plan, file } = context;
    checkFoldable(calibration.architecture, 'awq');
    this.context = context;
    this.planned = new Map(plan.tensors.map((planned) => [planned.tensor.name, planned]));
    const foldable = calibration.inputs.filter((input) => foldOf(file, calibration.architecture, input));
    this.passes = new Passes(
      foldable,
      ({ width }) => SAMPLES * width * 4,
      MOST_BYTES,
      (inputs, pass, passes) => this.collect(inputs, pass, passes),
    );
  }

  async treat(planned: PlannedTensor): Promise<TensorTreatment> {
    await this.passes.reach(layerOf(planned.tensor.name));
    return this.scaling.treat(planned);
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
    for (const [input, activations] of found) {
      const fold = foldOf(file, calibration.architecture, input)!;
      const scales = await this.search(input, fold, activations);
      if (scales) this.scaling.add(input, fold, scales);
    }
  }

  /** The best scales of an input's columns; undefined: plain rounding is best. */
  private async search(
    { tensors, width }: Input,
    fold: Fold,
    { magnitudes, tokens, samples }: Activations,
  ): Promise<Float32Array | undefined> {
    const { file, modules, threads } = this.context;
    const means = sharedMeans(
      fold,
      magnitudes.map((sum) => sum / tokens),
    );
    const scales = candidates(means);
    const losses = new Float64Array(CANDIDATES);
    const tasks = tensors.flatMap((name) => {
      const planned = this.planned.get(name)!;
      return [...sourcesOf(file, modules, planned)].map(({ source }) =>
        threads.outputErrors({ ...source, to: planned.type.id, scales, samples }),
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
  const magnitudes = new Float64Array(width);
  return { magnitudes, tokens: 0, samples: new Float32Array(samples * width), sampled: 0 };
}

/** @param every so many tokens one is a sample */
function add(activations: Activations, { rows, width, count }: Observation, every: number): void {
  const { magnitudes, samples } = activations;
  for (let row = 0, at = 0; row < count; row++) {
    if (activations.tokens % every === 0 && activations.sampled * width < samples.length) {
      samples.set(rows.subarray(at, at + width), activations.sampled++ * width);
    }
    for (let k = 0; k < width; k++, at++) magnitudes[k]! += Math.abs(rows[at]!);
    activations.tokens++;
  }
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
