/** An importance matrix as a method: each tensor gets its importance. */
import { UsageError } from '../../src/errors.ts';
import { importanceOfColumns, type Imatrix } from '../imatrix/imatrix.ts';
import type { Method } from './methods/types.ts';
import type { Plan } from './plan.ts';

/** @throws UsageError where the matrix is of another model */
export function importanceOf(plan: Plan, imatrix: Imatrix): Method {
  const columnsOf = new Map<string, Float32Array>();
  for (const { tensor, columns, parts } of plan.tensors) {
    const entry = imatrix.entries.get(tensor.name);
    if (!entry) continue;
    const importance = importanceOfColumns(entry);
    if (importance.length === columns * parts) columnsOf.set(tensor.name, importance);
    else if (tensor.name !== 'token_embd.weight') {
      throw new UsageError(
        `${imatrix.name} is of another model: ${tensor.name} has ${columns * parts} columns, not ${importance.length}`,
      );
    }
  }
  return { treat: ({ tensor }) => Promise.resolve({ importance: columnsOf.get(tensor.name) }) };
}
