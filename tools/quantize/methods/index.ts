/** The methods of `nibble quantize --method`, by name. */
import { importanceOf } from '../importance.ts';
import type { Plan } from '../plan.ts';
import { Awq } from './awq.ts';
import { Gptq } from './gptq.ts';
import { imatrixOf } from './imatrix.ts';
import { planInt8, SmoothQuant } from './smoothquant.ts';
import type { Method, MethodContext, MethodName } from './types.ts';

interface MethodRow {
  /** Mixes choose as with an importance matrix. */
  imatrix?: boolean;
  /** Changes the types that the mix has chosen; the file's own type is then none that has a number. */
  plan?: (plan: Plan) => Plan;
  open: (context: MethodContext) => Promise<Method>;
}

export const METHODS: Readonly<Record<MethodName, MethodRow>> = {
  imatrix: {
    imatrix: true,
    open: async ({ plan, calibration }) => importanceOf(plan, await imatrixOf(calibration)),
  },
  awq: { open: async (context) => new Awq(context) },
  gptq: { open: async (context) => new Gptq(context) },
  smoothquant: { plan: planInt8, open: async (context) => new SmoothQuant(context) },
};

/** `rtn`: round to nearest. */
export const METHOD_NAMES = ['rtn', ...(Object.keys(METHODS) as MethodName[])] as const;
