/** The charts of a bench as files. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CHART_FORMATS, isChartFile, writeChart } from '../../../tools/charts/file.ts';
import { benchCharts, benchPicture } from './charts.ts';
import type { BenchResults } from './results.ts';

/**
 * FILE.svg or FILE.png: all charts in one picture. Another path is a folder, with each chart as both. Returns the paths.
 *
 * @throws NibbleError ERR_NO_CHARTS where the packages that draw are missing
 */
export async function writeCharts(path: string, results: BenchResults): Promise<string[]> {
  if (isChartFile(path)) {
    await writeChart(path, benchPicture(results));
    return [path];
  }
  await mkdir(path, { recursive: true });
  const paths: string[] = [];
  for (const [name, spec] of Object.entries(benchCharts(results))) {
    for (const ending of CHART_FORMATS) {
      const file = join(path, `${name}${ending}`);
      await writeChart(file, spec);
      paths.push(file);
    }
  }
  return paths;
}
