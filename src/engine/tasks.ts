/** Which bytes of the files go where: the list that the workers load from. */
import { fileRowBytes, groupBytes, units } from '../kernels/formats.ts';
import type { LoadTask } from './host.ts';
import { partBytes, weightsOf, type SegmentLayout } from './layout.ts';
import type { Weight } from './weights.ts';

/** Tasks of a size that a worker's stage holds: whole groups of 8 rows. */
export function loadTasks(layouts: readonly SegmentLayout[]): LoadTask[] {
  return layouts.flatMap((layout, segment) => {
    const weights = new Map(layout.program.ops.flatMap(weightsOf).map((weight) => [weight.key, weight]));
    return [...weights.values()].flatMap((weight) =>
      Array.from({ length: weight.parts ?? 1 }, (_, part) => partTasks(weight, part, segment, layout)).flat(),
    );
  });
}

function partTasks(weight: Weight, part: number, segment: number, layout: SegmentLayout): LoadTask[] {
  const { tensor, format, first, rows, columns } = weight;
  const base = { segment, tensor: tensor.name, shard: tensor.shard };
  const to = layout.weights.get(weight.key)! + part * partBytes(weight);
  if (!format) return [{ ...base, offset: tensor.offset + first * 4, bytes: columns * 4, to }];
  const rowBytes = fileRowBytes(format, columns);
  const group = groupBytes(format, columns);
  const rowsPerTask = Math.max(8, Math.floor(layout.stageBytes / rowBytes / 8) * 8);
  const tasks: LoadTask[] = [];
  for (let row = 0; row < rows; row += rowsPerTask) {
    const count = Math.min(rowsPerTask, rows - row);
    tasks.push({
      ...base,
      offset: tensor.offset + (first + part * rows + row) * rowBytes,
      bytes: count * rowBytes,
      to: to + (row / 8) * group,
      repack: {
        kernel: format.kernel,
        rows: count,
        rowBytes,
        groupBytes: group,
        units: units(format, columns),
      },
    });
  }
  return tasks;
}
