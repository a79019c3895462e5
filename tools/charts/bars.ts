/** Charts as SVG files: Vega-Lite specifications, drawn without a browser. */
import type { TopLevelSpec } from 'vega-lite';
import { checkBars, type BarChart } from './terminal.ts';

export { renderSvg } from './render-svg.ts';

/** Bars that lie on their side, coloured by group, with their intervals of confidence. */
export function barSpec({ title, unit, bars }: BarChart): TopLevelSpec {
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
