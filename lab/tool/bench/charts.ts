/** A bench as pictures: bars of GOP/s and tokens per second, and the roofline. */
import type { TopLevelSpec } from 'vega-lite';
import { barSpec, type BarChart, type Panel } from '../../../tools/charts/bars.ts';
import { stageOf } from '../stages.ts';
import type { BenchResults, EndToEndRow, KernelRow, Limits } from './results.ts';

/** GOP/s of the stages on one shape. */
export function gopsChart(rows: readonly KernelRow[], shape: string): BarChart {
  const bars = rows
    .filter((row) => row.shape === shape)
    .map((row) => ({
      label: row.kernel === 'lab' ? row.stage : `${row.stage} (course)`,
      value: row.gops,
      group: row.workers > 1 ? `${row.workers} workers` : '1 worker',
    }));
  return { title: `Speed of the stages, ${shape}`, unit: 'GOP/s', bars };
}

/** Tokens per second of the model with each stage's kernel. */
export function tokensChart(rows: readonly EndToEndRow[]): BarChart {
  const bars = rows.map((row) => ({ label: row.stage, value: row.decodeTokensPerSecond }));
  return { title: `Decoding ${rows[0]?.model ?? ''}`, unit: 'tokens per second', bars };
}

/** Bytes that a call reads per multiply-accumulate: the weights, once for all tokens. */
export function intensity({ gops, gbs }: KernelRow): number {
  return gops / 2 / gbs;
}

/** The most that the machine allows at an intensity of multiply-accumulates per byte, in GOP/s. */
export function roof({ gbs, gmacs }: Limits['one'], macsPerByte: number): number {
  return 2 * Math.min(gmacs, gbs * macsPerByte);
}

/** Log-log: the roof of one worker and of all, and a point for every kernel. */
export function rooflineSpec({ limits, kernels }: BenchResults): Panel {
  const roofs = Object.entries({ '1 worker': limits.one, 'all workers': limits.all }).flatMap(
    ([name, limit]) => {
      // Two straight lines: up to where arithmetic is the limit, and from there on.
      const knee = limit.gmacs / limit.gbs;
      return [0.25, knee, 128].map((x) => ({ x, y: roof(limit, x), name }));
    },
  );
  const points = kernels.map((row) => ({
    x: intensity(row),
    y: row.gops,
    stage: row.stage,
    shape: row.shape,
  }));
  const scale = { type: 'log' as const };
  return {
    title: 'Roofline',
    width: 560,
    height: 360,
    layer: [
      {
        data: { values: roofs },
        mark: { type: 'line' },
        encoding: {
          x: { field: 'x', type: 'quantitative', scale, title: 'multiply-accumulates per byte of weights' },
          y: { field: 'y', type: 'quantitative', scale, title: 'GOP/s' },
          strokeDash: { field: 'name', type: 'nominal', title: null },
        },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 60 },
        encoding: {
          x: { field: 'x', type: 'quantitative' },
          y: { field: 'y', type: 'quantitative' },
          color: { field: 'stage', type: 'nominal', title: null },
          shape: { field: 'shape', type: 'nominal', title: null },
        },
      },
    ],
  };
}

/** All charts by name: a bar chart for each shape, the roofline and, where the model ran, its tokens per second. */
export function benchCharts(results: BenchResults): Record<string, Panel> {
  const { kernels, endToEnd } = results;
  const shapes = [...new Set(kernels.map(({ shape }) => shape))];
  return {
    ...Object.fromEntries(
      shapes.map((shape, i) => [i === 0 ? 'gops' : `gops-${i + 1}`, barSpec(gopsChart(kernels, shape))]),
    ),
    ...(kernels.length > 0 && { roofline: rooflineSpec(results) }),
    ...(endToEnd.length > 0 && { tokens: barSpec(tokensChart(endToEnd)) }),
  };
}

/** All of them below one another. */
export function benchPicture(results: BenchResults): TopLevelSpec {
  const apart = 'independent' as const;
  return {
    vconcat: Object.values(benchCharts(results)),
    resolve: { scale: { color: apart, shape: apart, strokeDash: apart } },
  };
}

/** How often faster than the stage that it builds on, on the same shape; undefined where that one was not timed. */
export function gain(rows: readonly KernelRow[], row: KernelRow): number | undefined {
  const { previous } = stageOf(row.stage);
  const before = rows.find((other) => other.stage === previous && other.shape === row.shape);
  return before && row.gops / before.gops;
}

/**
 * Amdahl's law: how often faster the model could become at most if the linear layers took no time, given their share now.
 */
export function amdahl(share: number): number {
  return 1 / (1 - share);
}
