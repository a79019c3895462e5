/** The charts of a bench as SVG files. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { barSpec, renderSvg } from '../../../tools/charts/svg.ts';
import { gopsChart, rooflineSpec, tokensChart } from './charts.ts';
import type { BenchResults } from './results.ts';

/** Writes gops, roofline and, where the model ran, tokens. Returns the paths. */
export async function writeCharts(folder: string, results: BenchResults): Promise<string[]> {
  const { kernels, endToEnd } = results;
  const charts = new Map<string, string>();
  if (kernels.length > 0) {
    charts.set('gops', await renderSvg(barSpec(gopsChart(kernels, kernels[0]!.shape))));
    charts.set('roofline', await renderSvg(rooflineSpec(results)));
  }
  if (endToEnd.length > 0) charts.set('tokens', await renderSvg(barSpec(tokensChart(endToEnd))));
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const [name, svg] of charts) {
    const path = join(folder, `${name}.svg`);
    await writeFile(path, svg);
    paths.push(path);
  }
  return paths;
}
