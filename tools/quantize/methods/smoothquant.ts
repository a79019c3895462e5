/**
 * SmoothQuant: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
 * ICML 2023 (arXiv:2211.10438).
 *
 * Weights and activations become int8 (W8A8). Activations have a few channels that are far larger than the others;
 * weights do not. So a part of the difficulty is moved into the weights: the input is divided, channel by channel, and the
 * columns of W multiplied by s = max|x|^alpha / max|W|^(1 - alpha) (section 4), folded into what comes before (folds.ts).
 * Then inputs are rounded in steps of one static scale per matrix, max|x / s| / 127 over the calibration text; weights in
 * steps of a scale per output channel, or per tensor.
 *
 * The file's tensors are those of tools/convert/README.md. Matrices outside of the layers have the type asked for.
 *
 * Simplified and different:
 * - The maxima of weights that alpha weighs are those before any folding.
 * - Also the inputs of attn_output and ffn_down are smoothed, where something can take the factors: SwiGLU's products
 *   have outliers of their own. The paper smooths what norms make.
 * - Queries, keys and values are not rounded (the paper's O1 against O3).
 */
import { NibbleError, UsageError } from '../../../src/errors.ts';
import { tensorBytes, tensorTypeByName } from '../../../src/gguf/tensor-types.ts';
import type { Input } from '../../calibration/calibration.ts';
import { partOf } from '../../layers.ts';
import type { Plan, PlannedTensor } from '../plan.ts';
import { sourcesOf, type TensorTreatment } from '../pool.ts';
import { checkFoldable, foldOf, Scaling, sharedMaxima } from './folds.ts';
import type { ExtraTensor, Method, MethodContext } from './types.ts';

const ALPHA = 0.5;
const MOST = 127;
/** Maxima below count as this: a channel that is always 0 must not make an infinite factor. */
const LEAST = 1e-5;
const PARTS = new Set(['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']);
const I8 = tensorTypeByName('I8')!;
/** Columns are read so many at a time. */
const COLUMNS = 32;

/**
 * The plan with the matrices of the layers as int8.
 *
 * @throws UsageError for experts and latent attention, whose matrices have no int8 form
 */
export function planInt8(plan: Plan): Plan {
  const other = plan.tensors.find(({ tensor }) => /_exps\.|attn_kv_a/.test(tensor.name));
  if (other) {
    throw new UsageError(
      `--method smoothquant takes dense models without latent attention, not one with ${other.tensor.name}`,
    );
  }
  const tensors = plan.tensors.map((planned) =>
    isInt8(planned)
      ? { ...planned, type: I8, bytes: tensorBytes(I8, planned.tensor.shape), instead: undefined }
      : planned,
  );
  return { ...plan, tensors, newBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function isInt8({ tensor: { name, shape } }: PlannedTensor): boolean {
  const matrix = shape.length === 2 && name.endsWith('.weight') && shape[0]! % COLUMNS === 0;
  return matrix && PARTS.has(partOf(name) ?? '');
}

export class SmoothQuant implements Method {
  private readonly context: MethodContext;
  private readonly planned: ReadonlyMap<string, PlannedTensor>;
  private readonly alpha: number;
  private readonly scaling = new Scaling();
  /** Steps of the inputs, and of the rows of weights, by the names of matrices. */
  private readonly inputScales = new Map<string, number>();
  private readonly weightScales = new Map<string, Float32Array>();
  private collected: Promise<void> | undefined;

  /** @throws UsageError for an architecture that factors cannot be folded into */
  constructor(context: MethodContext) {
    checkFoldable(context.calibration.architecture, 'smoothquant');
    this.context = context;
    this.alpha = context.options.alpha ?? ALPHA;
    this.planned = new Map(context.plan.tensors.map((planned) => [planned.tensor.name, planned]));
  }

  async treat(planned: PlannedTensor): Promise<TensorTreatment> {
    await (this.collected ??= this.collect());
    const treatment = await this.scaling.treat(planned);
    if (!isInt8(planned)) return treatment;
    const { name } = planned.tensor;
    if (!this.inputScales.has(name))
      throw new UsageError(`${name} is not among the matrices that are observed`);
    const maxima = (await this.maximaOf(planned, treatment)).rows.map((value) => Math.max(value, LEAST));
    const perTensor = this.context.options.perTensor ?? false;
    const steps = perTensor ? Float32Array.of(maxima.reduce((a, b) => Math.max(a, b))) : maxima;
    const scales = steps.map((value) => value / MOST);
    this.weightScales.set(name, scales);
    const rows = Float32Array.from(maxima, (_, i) => (treatment.rows?.[i] ?? 1) / scales[perTensor ? 0 : i]!);
    return { ...treatment, rows };
  }

  extras(planned: PlannedTensor): ExtraTensor[] {
    if (!isInt8(planned)) return [];
    const { name } = planned.tensor;
    const layer = name.replace(/\.weight$/, '');
    const rows = this.context.options.perTensor ? 1 : planned.rows;
    return [
      { name: `${layer}.scale`, shape: [rows], data: () => this.weightScales.get(name)! },
      { name: `${layer}.input_scale`, shape: [1], data: () => Float32Array.of(this.inputScales.get(name)!) },
    ];
  }

  /** Maxima of all inputs in one pass over the text; then the factors. */
  private async collect(): Promise<void> {
    const { calibration } = this.context;
    const maxima = new Map<Input, Float64Array>();
    await calibration.run(calibration.inputs, (input, { rows, width }) => {
      const most = maxima.get(input) ?? new Float64Array(width);
      maxima.set(input, most);
      for (let at = 0; at < rows.length;) {
        for (let k = 0; k < width; k++, at++) most[k] = Math.max(most[k]!, Math.abs(rows[at]!));
      }
    });
    for (const [input, most] of maxima) await this.smooth(input, most);
  }

  private async smooth(input: Input, activations: Float64Array): Promise<void> {
    const { file, calibration } = this.context;
    const fold = foldOf(file, calibration.architecture, input);
    let steps = activations;
    if (fold) {
      const weights = new Float64Array(input.width).fill(LEAST);
      for (const name of input.tensors) {
        const { columns } = await this.maximaOf(this.planned.get(name)!, {});
        columns.forEach((value, i) => (weights[i] = Math.max(weights[i]!, value)));
      }
      const [x, w] = [sharedMaxima(fold, activations), sharedMaxima(fold, weights)];
      const factors = Float32Array.from(x, (value, i) =>
        Math.max(LEAST, Math.max(value, LEAST) ** this.alpha / w[i]! ** (1 - this.alpha)),
      );
      this.scaling.add(input, fold, factors);
      steps = activations.map((value, i) => value / factors[i]!);
    }
    const step = steps.reduce((a, b) => Math.max(a, b), LEAST) / MOST;
    if (!Number.isFinite(step)) {
      throw new NibbleError('ERR_CALIBRATION', `${input.tensors[0]}: its inputs have no finite scale`);
    }
    for (const name of input.tensors) this.inputScales.set(name, step);
  }

  /** Largest magnitudes in the columns and in the rows of a matrix. */
  private async maximaOf(
    planned: PlannedTensor,
    { columns: columnFactors, rows: rowFactors }: TensorTreatment,
  ): Promise<{ columns: Float32Array; rows: Float32Array }> {
    const { file, modules, threads } = this.context;
    const rows = new Float32Array(planned.rows);
    const columns = new Float32Array(planned.columns);
    const tasks = [...sourcesOf(file, modules, planned)].map(async ({ first, source }) => {
      const factors = { columns: columnFactors, rows: rowFactors?.subarray(first, first + source.rows) };
      const maxima = await threads.maxima({ ...source, treatment: factors });
      rows.set(maxima.rows, first);
      maxima.columns.forEach((value, i) => (columns[i] = Math.max(columns[i]!, value)));
    });
    await Promise.all(tasks);
    return { columns, rows };
  }
}
