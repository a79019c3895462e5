/** Bar charts of text, for a terminal. */
import { plot } from 'simple-ascii-chart';

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

const TICKS = 4;

/** The bars lie on their side, one line for each, from zero to the right; `width`: of the bars, in characters. */
export function terminalBars({ title, unit, bars }: BarChart, width = 60): string {
  checkBars(bars);
  if (bars.length === 0) return `${title}: nothing to draw\n`;
  const step = niceStep(Math.max(...bars.map(({ value }) => value)) / TICKS);
  // The library counts from the bottom.
  const height = (row: number) => bars.length - row;
  const text = plot(
    bars.map(({ value }, row) => [value, height(row)] as [number, number]),
    {
      mode: 'horizontalBar',
      title: `${title} (${unit})`,
      width,
      height: bars.length + 1,
      axisCenter: [0, 0],
      customXAxisTicks: Array.from({ length: TICKS }, (_, i) => step * (i + 1)),
      customYAxisTicks: bars.map((_, row) => height(row)),
      formatter: (value, { axis }) => (axis === 'y' ? (bars[bars.length - value]?.label ?? '') : value),
    },
  );
  return `${text.replace(/[ \t]+$/gm, '').trim()}\n`;
}

/** Throws a RangeError for what cannot be drawn. */
export function checkBars(bars: readonly Bar[]): void {
  for (const { label, value } of bars) {
    if (!(value >= 0 && Number.isFinite(value))) throw new RangeError(`"${label}": ${value} cannot be drawn`);
  }
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}
