/** Bar charts: what they show, and their Vega-Lite specification. */
import type { TopLevelSpec } from 'vega-lite';

/** A chart that can also be one of several in a picture. */
export type Panel = Extract<TopLevelSpec, { layer: unknown }>;

export interface Bar {
  /** What the bar stands for, unique in its chart. */
  label: string;
  /** Finite, not negative. */
  value: number;
  /** Bars of a group share a colour in an SVG. */
  group?: string;
  /** Of confidence, drawn in an SVG. */
  interval?: [low: number, high: number];
}

export interface BarChart {
  title: string;
  /** Of the values: the title of their axis. */
  unit: string;
  /** From top to bottom. */
  bars: readonly Bar[];
}

/** Bars that lie on their side, coloured by group, with their intervals of confidence. */
export function barSpec({ title, unit, bars }: BarChart): Panel {
  checkBars(bars);
  const values = bars.map(({ label, value, group, interval }) => ({
    label,
    value,
    group: group ?? '',
    low: interval?.[0] ?? value,
    high: interval?.[1] ?? value,
  }));
  const y = {
    field: 'label',
    type: 'nominal' as const,
    sort: null,
    title: null,
    axis: { labelLimit: 400 },
  };
  const x = (field: string) => ({ field, type: 'quantitative' as const, title: unit });
  const grouped = bars.some(({ group }) => group !== undefined);
  return {
    title,
    data: { values },
    width: 640,
    height: { step: 18 },
    layer: [
      {
        mark: 'bar',
        encoding: {
          y,
          x: x('value'),
          ...(grouped && { color: { field: 'group', type: 'nominal', title: null } }),
        },
      },
      { mark: { type: 'rule', color: 'black' }, encoding: { y, x: x('low'), x2: { field: 'high' } } },
    ],
  };
}

/** Throws a RangeError for what cannot be drawn. */
export function checkBars(bars: readonly Bar[]): void {
  for (const { label, value } of bars) {
    if (!(value >= 0 && Number.isFinite(value))) throw new RangeError(`"${label}": ${value} cannot be drawn`);
  }
}
