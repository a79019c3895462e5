/** Cuts a model into segments, each small enough for a memory of its own. */
import { ModelError } from '../errors.ts';
import type { ModelSpec } from './architectures/types.ts';
import { splitProgram } from './fusion.ts';
import { layoutSegment, MEMORY_LIMIT } from './layout/segment.ts';
import type { LayoutOptions, SegmentLayout } from './layout/types.ts';
import { weightBytes, weightsOf } from './layout/weights.ts';
import { plugLinear } from './linear.ts';
import { compileProgram, type SegmentProgram } from './program.ts';

/**
 * Layouts of as few segments as `limit` bytes of weights per segment (and 4 GiB in all) allow.
 *
 * @throws ModelError when one layer alone is too large
 */
export function layoutModel(spec: ModelSpec, options: LayoutOptions, limit = MEMORY_LIMIT): SegmentLayout[] {
  if (!(limit > 0)) throw new ModelError(`the segment limit must be a number of bytes, not ${limit}`);
  const layers = spec.layers.length;
  const { kernel } = options;
  const plugged = (program: SegmentProgram) => (kernel ? plugLinear(program, kernel) : program);
  const compile = (cuts: number[]) =>
    compileProgram(spec, cuts, options).map((program) => plugged(splitProgram(program, options.split)));
  const apart = compile(Array.from({ length: layers - 1 }, (_, i) => i + 1));
  const needs = apart.map((program) => {
    const layout = layoutSegment(spec, program, options);
    const cache = layout.kv.pageBytes * options.pages;
    const byName = new Map(program.ops.flatMap(weightsOf).map((weight) => [weight.key, weightBytes(weight)]));
    const weights = [...byName.values()].reduce((a, b) => a + b, 0);
    const all = weights + cache + layout.observedBytes;
    return { weights, all, work: layout.bytes - layout.weightBytes - layout.observedBytes - cache };
  });
  // Work buffers: those of the whole model are at least those of any part.
  const work = Math.max(...needs.map((need) => need.work));
  const cuts: number[] = [];
  let weights = 0,
    all = work;
  needs.forEach((need, layer) => {
    const start = layer === 0 || cuts.at(-1) === layer;
    if (!start && (weights + need.weights > limit || all + need.all > MEMORY_LIMIT)) {
      cuts.push(layer);
      weights = 0;
      all = work;
    }
    weights += need.weights;
    all += need.all;
  });
  return compile(cuts).map((program) => layoutSegment(spec, program, options));
}
