/** Bar charts of text, for a terminal. */
import { plot } from 'simple-ascii-chart';
import { checkBars, type BarChart } from './bars.ts';

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

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}
