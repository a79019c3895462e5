/** Charts as files: the name's ending says which format. */
import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { UsageError } from '../../src/errors.ts';
import { renderPng } from './png.ts';
import { renderSvg } from './svg.ts';

export const CHART_FORMATS = ['.svg', '.png'] as const;

const formatOf = (path: string) => CHART_FORMATS.find((ending) => ending === extname(path).toLowerCase());

/** Whether a file of this name can hold a chart. */
export function isChartFile(path: string): boolean {
  return formatOf(path) !== undefined;
}

/**
 * What FILE.svg or FILE.png is to hold.
 *
 * @throws UsageError for any other ending; NibbleError ERR_NO_CHARTS where packages are missing
 */
export async function renderChart(path: string, spec: TopLevelSpec): Promise<string | Uint8Array> {
  const format = formatOf(path);
  if (!format) throw new UsageError(`${path}: the file of a chart ends in ${CHART_FORMATS.join(' or ')}`);
  const svg = await renderSvg(spec);
  return format === '.png' ? renderPng(svg) : svg;
}

/** Draws into a file: as renderChart. */
export async function writeChart(path: string, spec: TopLevelSpec): Promise<void> {
  await writeFile(path, await renderChart(path, spec));
}
