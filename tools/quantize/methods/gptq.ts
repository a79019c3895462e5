/**
 * GPTQ: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", ICLR 2023
 * (arXiv:2210.17323).
 *
 * The columns of a matrix are rounded one after the other, and the columns that are still to come are changed so that
 * they make good, on the calibration inputs X, what rounding did to the outputs: the optimal brain surgeon's update with
 * the Hessian H = X^T X (section 3). As in the paper: a part of H's mean diagonal is added to the diagonal (damping), the
 * inverse is used through its Cholesky factor, updates are put off by blocks of columns, and columns with large inputs
 * come first (act-order), unless told otherwise.
 *
 * The scales are those of the GGUF type. With act-order they are fitted to the weights as they were, with importance
 * ("static groups"); without, a block's are fitted when the walk comes to it, to what its weights have become.
 *
 * Different: H is estimated from n tokens for m columns, and correlations that are chance do harm on other text, the
 * more so the fewer tokens there are. So H is shrunk towards its diagonal (as Ledoit and Wolf, "A well-conditioned
 * estimator for large-dimensional covariance matrices", 2004, shrink towards a multiple of the identity): all else is
 * multiplied by n / (n + m), as if m further tokens had shown no correlation.
 *
 * Simplified:
 * - All Hessians come from the model before quantization; the paper runs each layer on the outputs of the quantized
 *   layers before it.
 * - Types without a step per group of columns (IQ4_NL, MXFP4, F16 ...), experts and the matrix that makes the logits are
 *   rounded, with importance where it is known.
 */
import { Passes, type Input } from '../../calibration/calibration.ts';
import { layerOf } from '../../layers.ts';
import type { PlannedTensor } from '../plan.ts';
import type { TensorTreatment } from '../pool.ts';
import { takesFeedback } from './feedback.ts';
import { hessianBytes, Hessians, type Factor } from './hessians.ts';
import type { Method, MethodContext } from './types.ts';

/** Of the mean of the diagonal. */
const DAMPING = 0.01;
/** Tokens without correlation, for each column. */
const PRIOR = 1;
/** Bytes of Hessians in memory at a time. */
const MOST_BYTES = 2 ** 30;

export class Gptq implements Method {
  private readonly context: MethodContext;
  private readonly actOrder: boolean;
  private readonly passes: Passes;
  private readonly inputOf = new Map<string, Input>();
  private factors = new Map<Input, Factor>();

  constructor(context: MethodContext) {
    this.context = context;
    this.actOrder = context.options.actOrder ?? true;
    const { inputs } = context.calibration;
    for (const input of inputs) for (const name of input.tensors) this.inputOf.set(name, input);
    this.passes = new Passes(inputs, hessianBytes, MOST_BYTES, (some, pass, passes) =>
      this.collect(some, pass, passes),
    );
  }

  async treat({ tensor: { name }, type }: PlannedTensor): Promise<TensorTreatment> {
    const input = this.inputOf.get(name);
    if (!input) return {};
    await this.passes.reach(layerOf(name));
    const { importance, order, buffer, offset } = this.factors.get(input)!;
    if (!takesFeedback(type.id)) return { importance };
    const feedback = { key: input.tensors[0]!, buffer, offset, order, importance, refit: !this.actOrder };
    return { feedback };
  }

  private async collect(inputs: readonly Input[], pass: number, passes: number): Promise<void> {
    const { calibration, modules, threads } = this.context;
    const hessians = new Hessians(inputs, modules, threads);
    await calibration.run(inputs, (input, observation) => hessians.add(input, observation), {
      pass,
      passes,
      afterBatch: () => hessians.flush(),
    });
    this.factors = await hessians.factorize(calibration.tokens, {
      byImportance: this.actOrder,
      damping: DAMPING,
      prior: PRIOR,
    });
  }
}
