/** bench --layouts: the layouts of Q4_0 as kernels and, with a model, as tokens per second. */
import { formatOf, layoutsOf } from '../../kernels/formats.ts';
import { defaultThreads } from '../../platform/node/cpu.ts';
import { chooseVariant, setRevectorize, setV8Flags } from '../../platform/node/variant.ts';
import type { LayoutRates } from '../../../tools/layouts/measure.ts';
import type { CliContext } from '../context.ts';
import type { RunFlags } from '../options.ts';
import { markdownTable, type Column } from '../table.ts';
import type { Compared, Way } from './compare.ts';

const LAYOUTS_OF_Q4_0 = layoutsOf(formatOf(2, 8)!);

/** A model in each layout; what types without it do instead is said once, not with each load. */
export function layoutWays(context: CliContext): Way[] {
  const said = new Set<string>();
  const onFallback = (line: string): void => {
    if (!said.has(line)) context.notice(line);
    said.add(line);
  };
  return LAYOUTS_OF_Q4_0.map(({ layout }) => ({ name: layout, load: { layout, onFallback } }));
}

/** The kernels alone, on random matrices. */
export async function benchKernels(
  context: CliContext,
  { threads, variant: pinned }: RunFlags,
  rounds: number,
): Promise<LayoutRates[]> {
  setV8Flags();
  const { variant, revectorize } = await chooseVariant({ pinned });
  if (revectorize) setRevectorize();
  const { measureLayouts } = await import('../../../tools/layouts/measure.ts');
  return measureLayouts({
    variant,
    threads: threads ?? defaultThreads(),
    rounds,
    signal: context.signal,
    onRound: (round) => {
      if (context.verbose) context.notice(`kernels, round ${round + 1} of ${rounds}`);
    },
  });
}

const ratioText = (ratio: number): string => `${ratio.toFixed(3)} x`;

/** @param compared the model in each layout, in the order of `rates`; empty without a model */
export function renderLayouts(
  rates: readonly LayoutRates[],
  compared: readonly Compared[],
  format: 'md' | 'json',
): string {
  if (format === 'json') {
    const rows = rates.map((rate, i) => ({ ...rate, tests: compared[i]?.tests ?? [] }));
    return `${JSON.stringify(rows, undefined, 2)}\n`;
  }
  const right = (title: string): Column => ({ title, align: 'right' });
  const tests = compared[0]?.tests ?? [];
  const columns = [
    { title: 'layout' },
    ...['GEMV GOP/s', 'GB/s', 'ratio', 'GEMM GOP/s', 'ratio'].map(right),
    ...tests.flatMap(({ test }) => [right(`${test} t/s`), right('ratio')]),
  ];
  const rows = rates.map(({ layout, gemv, gemm }, i) => [
    layout,
    gemv.gops.toFixed(1),
    gemv.gbPerSecond.toFixed(1),
    ratioText(gemv.ratio),
    gemm.gops.toFixed(1),
    ratioText(gemm.ratio),
    ...(compared[i]?.tests ?? []).flatMap(({ best, ratio }) => [best.toFixed(2), ratioText(ratio)]),
  ]);
  return markdownTable(columns, rows);
}
