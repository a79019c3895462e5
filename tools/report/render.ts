/** A quality report as a Markdown table and as a chart: size against what is lost, and against speed. */
import { basename } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import type { MethodsReport } from './methods.ts';
import type { Report, ReportRow } from './quant.ts';

const MEGABYTE = 1e6;

type Align = '-' | '-:';

/** Title, alignment and cell of each column. */
const COLUMNS: readonly [string, Align, (row: ReportRow) => string][] = [
  ['type', '-', ({ type }) => type],
  ['size, MB', '-:', ({ bytes }) => (bytes / MEGABYTE).toFixed(1)],
  ['bits per weight', '-:', ({ bitsPerWeight }) => bitsPerWeight.toFixed(2)],
  ['load, ms', '-:', ({ loadMs }) => loadMs.toFixed(0)],
  ['prefill, tok/s', '-:', (row) => speedText(row.prefillTokensPerSecond)],
  ['decode, tok/s', '-:', (row) => speedText(row.decodeTokensPerSecond)],
  ['peak memory, MB', '-:', ({ peakMemory }) => (peakMemory / MEGABYTE).toFixed(0)],
  ['NLL', '-:', ({ nll, nllError }) => `${nll.toFixed(4)} ± ${nllError.toFixed(4)}`],
  ['perplexity', '-:', ({ nll }) => Math.exp(nll).toFixed(3)],
  ['KL divergence', '-:', ({ kl, klError }) => `${kl.toFixed(5)} ± ${klError.toFixed(5)}`],
  ['same top token', '-:', ({ sameTop }) => `${sameTop.toFixed(1)} %`],
];

function speedText(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** Lines of a table whose columns line up. */
function markdownTable(
  columns: readonly (readonly [title: string, align: Align])[],
  rows: readonly (readonly string[])[],
): string[] {
  const cells = [
    columns.map(([title]) => title),
    columns.map(([, align]) => (align === '-' ? '---' : '---:')),
    ...rows,
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  return cells.map((line, row) => {
    const padded = line.map((cell, i) => {
      const right = columns[i]![1] === '-:';
      if (row === 1) return right ? `${'-'.repeat(widths[i]! - 1)}:` : '-'.repeat(widths[i]!);
      return right ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
    });
    return `| ${padded.join(' | ')} |`;
  });
}

/** A table of methods: of each text the likelihood and what departs from the original. */
export function methodsMarkdown({ model, texts, rows, window, calibrationTokens }: MethodsReport): string {
  const columns: [string, Align][] = [
    ['type', '-'],
    ['method', '-'],
    ['calibrated on', '-'],
    ['bits per weight', '-:'],
    ...texts.flatMap(({ name }): [string, Align][] => [
      [`${name}: NLL`, '-:'],
      ['KL divergence', '-:'],
      ['same top', '-:'],
    ]),
  ];
  const lines = rows.map(({ type, method, calibration, bitsPerWeight, scores }) => [
    type,
    method,
    calibration === undefined ? '' : basename(calibration),
    bitsPerWeight.toFixed(2),
    ...scores.flatMap(({ nll, kl, klError, sameTop }) => [
      nll.toFixed(4),
      method === 'original' ? '' : `${kl.toFixed(4)} ± ${klError.toFixed(4)}`,
      method === 'original' ? '' : `${sameTop.toFixed(1)} %`,
    ]),
  ]);
  return [
    `# Methods of quantizing ${basename(model)}`,
    '',
    ...markdownTable(columns, lines),
    '',
    `Calibrated on ${calibrationTokens} tokens. NLL: mean negative log likelihood, in nats, of ` +
      `${texts.map(({ name, tokens }) => `${tokens} tokens of ${name}`).join(' and ')}, windows of ${window}.`,
    'KL divergence and same top token: compared with the original.',
    '',
  ].join('\n');
}

/** @param chart path of the chart beside the document; undefined: none */
export function reportMarkdown(report: Report, chart?: string): string {
  const { model, rows, tokens, window, threads, cpu } = report;
  const table = markdownTable(
    COLUMNS.map(([title, align]) => [title, align]),
    rows.map((row) => COLUMNS.map(([, , cell]) => cell(row))),
  );
  return [
    `# Quantizations of ${basename(model)}`,
    '',
    ...table,
    '',
    `NLL: mean negative log likelihood of ${tokens} tokens of text, in nats, windows of ${window}. KL divergence and`,
    'same top token: compared with the original, which is the first row. Speed and memory: of a process of its own, on',
    `${threads} threads of ${cpu}.`,
    ...(chart === undefined ? [] : ['', `![Size against KL divergence and speed](${chart})`]),
    '',
  ].join('\n');
}

/** Two panels: KL divergence, and tokens per second, by size. */
export function reportChart({ model, rows }: Report): TopLevelSpec {
  const [, ...quantized] = rows;
  const panel = (values: readonly ReportRow[], field: 'kl' | 'decodeTokensPerSecond', title: string) => {
    const x = {
      field: 'megabytes',
      type: 'quantitative' as const,
      title: 'size, MB',
      scale: { zero: false },
    };
    const y = { field, type: 'quantitative' as const, title };
    return {
      width: 360,
      height: 300,
      data: { values: values.map((row) => ({ ...row, megabytes: row.bytes / MEGABYTE })) },
      layer: [
        { mark: { type: 'point' as const, filled: true, size: 70 }, encoding: { x, y } },
        {
          mark: { type: 'text' as const, align: 'left' as const, dx: 7, dy: -5 },
          encoding: { x, y, text: { field: 'type', type: 'nominal' as const } },
        },
      ],
    };
  };
  return {
    title: `Quantizations of ${basename(model)}`,
    hconcat: [
      panel(quantized, 'kl', 'KL divergence from the original (less is better)'),
      panel(rows, 'decodeTokensPerSecond', 'decode, tokens per second'),
    ],
  };
}
