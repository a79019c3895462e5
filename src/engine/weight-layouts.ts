/** Which run-time layout the matrices of each type have, and why: for --layout, and for who wants to know. */
import { typeLabel } from '../gguf/tensor-types.ts';
import { layoutsOf, type WeightFormat } from '../kernels/formats.ts';
import type { SegmentLayout } from './layout/types.ts';
import { weightsOf } from './layout/weights.ts';
import type { Weight } from './weights.ts';

/**
 * `asked`: by the option; `missing`: the option's does not exist, so it is the default one; `default`: of several;
 * `only`: there is no other; `kernel`: that of a kernel from outside.
 */
export type LayoutReason = 'asked' | 'missing' | 'default' | 'only' | 'kernel';

export interface TypeLayout {
  /** Type in the file. */
  type: string;
  tensors: string[];
  /** Of these tensors in the file. */
  bytes: number;
  format: WeightFormat;
  reason: LayoutReason;
}

/** Why a format is in the layout that it is in; `asked`: the layout that was asked for. */
export function layoutReason(format: WeightFormat, asked: string | undefined): LayoutReason {
  const layouts = layoutsOf(format);
  if (!layouts.includes(format)) return 'kernel';
  if (asked !== undefined) return format.layout === asked ? 'asked' : 'missing';
  return layouts.length > 1 ? 'default' : 'only';
}

/** The matrices of a model by their type and layout, those with the most bytes first. */
export function typeLayouts(layouts: readonly SegmentLayout[], asked: string | undefined): TypeLayout[] {
  const matrices = new Map<string, Weight>();
  // A tensor that several ops read has one layout; with a kernel from outside, that of the matmul behind the embedding.
  for (const weight of layouts.flatMap(({ program }) => program.ops.flatMap(weightsOf))) {
    if (weight.format) matrices.set(weight.tensor.name, weight);
  }
  const found = new Map<string, TypeLayout>();
  for (const { tensor, format } of matrices.values()) {
    const type = typeLabel(tensor.type);
    const key = `${type} ${format!.name} ${format!.layoutText}`;
    const entry: TypeLayout = found.get(key) ?? {
      type,
      tensors: [],
      bytes: 0,
      format: format!,
      reason: layoutReason(format!, asked),
    };
    entry.tensors.push(tensor.name);
    entry.bytes += tensor.byteLength;
    found.set(key, entry);
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Names in a note at most. */
const MOST_NAMES = 2;

/** What is to be said of the tensors that are not in the layout that was asked for; undefined: nothing. */
export function missingLayouts(types: readonly TypeLayout[], asked: string): string | undefined {
  const missing = types
    .filter(({ reason }) => reason === 'missing')
    .map(({ type, tensors, format }) => {
      const more = tensors.length > MOST_NAMES ? ` and ${tensors.length - MOST_NAMES} more` : '';
      return `${type} (${tensors.slice(0, MOST_NAMES).join(', ')}${more}) stays ${format.layout}`;
    });
  return missing.length === 0 ? undefined : `no layout ${asked} for all types: ${missing.join('; ')}`;
}
