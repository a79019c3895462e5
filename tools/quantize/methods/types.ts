import type { GgufFile } from '../../../src/gguf/types.ts';
import type { Calibration, CalibrationOptions } from '../../calibration/calibration.ts';
import type { QuantizeModules } from '../kernels.ts';
import type { Plan, PlannedTensor } from '../plan.ts';
import type { QuantizeThreads, TensorTreatment } from '../pool.ts';

/** How weights become fewer bits, where they are not just rounded to the nearest value there is (`rtn`). */
export type MethodName = 'imatrix' | 'awq' | 'gptq';

export interface MethodOptions {
  name: MethodName;
  calibration: CalibrationOptions;
  /** GPTQ: columns that meet large inputs come first; default true. */
  actOrder?: boolean;
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

export interface Method {
  /** What happens to a tensor. Tensors are asked for in the order of the plan. */
  treat(tensor: PlannedTensor): Promise<TensorTreatment>;
}
