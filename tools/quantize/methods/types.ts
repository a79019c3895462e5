import type { GgufFile } from '../../../src/gguf/types.ts';
import type { Calibration, CalibrationOptions } from '../../calibration/calibration.ts';
import type { QuantizeModules } from '../kernels.ts';
import type { Plan, PlannedTensor } from '../plan.ts';
import type { QuantizeThreads, TensorTreatment } from '../pool.ts';

/** How weights become fewer bits, where they are not just rounded to the nearest value there is (`rtn`). */
export type MethodName = 'imatrix' | 'awq' | 'gptq' | 'smoothquant';

export interface MethodOptions {
  name: MethodName;
  calibration: CalibrationOptions;
  /** GPTQ: columns that meet large inputs come first; default true. */
  actOrder?: boolean;
  /** SmoothQuant: how much of the difficulty goes from the inputs into the weights, 0..1; default 0.5. */
  alpha?: number;
  /** SmoothQuant: one scale per matrix instead of one per row. */
  perTensor?: boolean;
}

/** What a method works with. */
export interface MethodContext {
  file: GgufFile;
  plan: Plan;
  modules: QuantizeModules;
  threads: QuantizeThreads;
  calibration: Calibration;
  options: MethodOptions;
  signal?: AbortSignal;
}

/** A tensor of f32 that belongs to another one and follows it in the file. */
export interface ExtraTensor {
  name: string;
  shape: readonly number[];
  /** Asked for after the tensor itself has been written. */
  data: () => Float32Array;
}

export interface Method {
  /** What happens to a tensor. Tensors are asked for in the order of the plan. */
  treat(tensor: PlannedTensor): Promise<TensorTreatment>;
  /** Tensors of its own that come after this one. */
  extras?(tensor: PlannedTensor): ExtraTensor[];
}
