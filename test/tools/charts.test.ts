import { describe, expect, it } from 'vitest';
import { barSpec, type BarChart } from '../../tools/charts/bars.ts';
import { renderChart } from '../../tools/charts/file.ts';
import { renderPng } from '../../tools/charts/png.ts';
import { renderSvg } from '../../tools/charts/svg.ts';
import { terminalBars } from '../../tools/charts/terminal.ts';

const chart: BarChart = {
  title: 'Rates',
  unit: 'GOP/s',
  bars: [
    { label: 'half', value: 20, group: 'a', interval: [18, 22] },
    { label: 'whole', value: 40, group: 'b', interval: [39, 41] },
    { label: 'nothing', value: 0, group: 'a' },
  ],
};

describe('bar charts', () => {
  it('are drawn in a terminal, in order and in proportion', () => {
    const lines = terminalBars(chart, 40).split('\n');
    const bar = (label: string) => lines.find((line) => line.includes(label))!.split('█').length - 1;
    expect(lines[0]).toBe('Rates (GOP/s)');
    expect(lines.findIndex((line) => line.includes('half'))).toBeLessThan(
      lines.findIndex((line) => line.includes('whole')),
    );
    expect(bar('whole')).toBeGreaterThan(30);
    expect(bar('half') / bar('whole')).toBeCloseTo(0.5, 1);
    expect(bar('nothing')).toBeLessThanOrEqual(1);
  });

  it('are drawn as SVG', async () => {
    const svg = await renderSvg(barSpec(chart));
    expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    for (const text of ['half', 'whole', 'GOP/s', 'Rates']) expect(svg).toContain(`>${text}<`);
  });

  it('are drawn as PNG, with text', async () => {
    const png = Buffer.from(await renderChart('chart.PNG', barSpec(chart)));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(16)).toBeGreaterThan(1280);
    const words = (text: string) =>
      renderPng(
        `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"><text y="15" font-family="sans-serif">${text}</text></svg>`,
      );
    const [nothing, one, other] = await Promise.all(['', 'µ × 3', 'µ × 4'].map(words));
    expect(one).not.toEqual(nothing);
    expect(one).not.toEqual(other);
    await expect(renderChart('chart.gif', barSpec(chart))).rejects.toThrow(/ends in .svg or .png/);
  });

  it('do not draw what is no number', () => {
    expect(() => terminalBars({ ...chart, bars: [{ label: 'a', value: NaN }] })).toThrow('"a"');
    expect(() => barSpec({ ...chart, bars: [{ label: 'a', value: -1 }] })).toThrow('"a"');
    expect(terminalBars({ ...chart, bars: [] })).toBe('Rates: nothing to draw\n');
  });
});
