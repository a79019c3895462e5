/** Which bytes of the files go where: the list that the workers load from. */
import { fileRowBytes, groupBytes, units } from '../kernels/formats.ts';
import type { LoadTask } from './host.ts';
import { transposeScratch } from './layout/scratch.ts';
import type { SegmentLayout } from './layout/types.ts';
import { partBytes, weightsOf } from './layout/weights.ts';
import type { Weight } from './weights.ts';

/** Tasks of a size that a worker's stage holds: whole groups of 8 rows. */
export function loadTasks(layouts: readonly SegmentLayout[]): LoadTask[] {
  return layouts.flatMap((layout, segment) => {
    const weights = new Map(layout.program.ops.flatMap(weightsOf).map((weight) => [weight.key, weight]));
    return [...weights.values()].flatMap((weight) =>
      Array.from({ length: weight.parts?.count ?? 1 }, (_, part) =>
        partTasks(weight, part, segment, layout),
      ).flat(),
    );
  });
}

function partTasks(weight: Weight, part: number, segment: number, layout: SegmentLayout): LoadTask[] {
  const { tensor, format, transposed } = weight;
  const base = { segment, tensor: tensor.name, shard: tensor.shard };
  const to = layout.weights.get(weight.key)! + part * partBytes(weight);
  if (!format) return [{ ...base, offset: tensor.offset + weight.first * 4, bytes: weight.columns * 4, to }];
  // As the file has it.
  const [rows, columns] = transposed ? [weight.columns, weight.rows] : [weight.rows, weight.columns];
  const from = transposed ?? format;
  const first = weight.first + part * (weight.parts?.step ?? 0);
  const rowBytes = fileRowBytes(from, columns);
  const group = groupBytes(from, columns);
  const room = layout.stageBytes - (transposed ? transposeScratch(from, columns) : 0);
  const rowsPerTask = Math.max(8, Math.floor(room / rowBytes / 8) * 8);
  const tasks: LoadTask[] = [];
  for (let row = 0; row < rows; row += rowsPerTask) {
    const count = Math.min(rowsPerTask, rows - row);
    const repack = {
      kernel: from.kernel,
      rows: count,
      rowBytes,
      groupBytes: group,
      units: units(from, columns),
    };
    const transpose = transposed && {
      first: row,
      columns,
      toBytes: groupBytes(format, weight.columns),
      scratch: room,
    };
    tasks.push({
      ...base,
      offset: tensor.offset + (first + row) * rowBytes,
      bytes: count * rowBytes,
      to: transposed ? to : to + (row / 8) * group,
      repack: { ...repack, transpose },
    });
  }
  return tasks;
}
