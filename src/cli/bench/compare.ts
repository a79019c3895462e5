/** The same model loaded in several ways, in turn, and what each is worth: bench --fusion. */
import type { LoadOptions } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { withModel } from '../open-model.ts';
import type { RunFlags } from '../options.ts';
import { markdownTable, type Column } from '../table.ts';
import { contextOf, measureTest, type BenchTest } from './measure.ts';

/** One way to load the model. */
export interface Way {
  name: string;
  load: LoadOptions;
}

export interface Compared {
  name: string;
  tests: {
    test: string;
    /** Tokens per second, one of each round. */
    samples: number[];
    best: number;
    /** To the first way's best. */
    ratio: number;
  }[];
}

export interface CompareOptions {
  tests: readonly BenchTest[];
  rounds: number;
  warmup: boolean;
}

const nameOf = (test: BenchTest) => (test.generate > 0 ? `tg${test.generate}` : `pp${test.prompt}`);

/**
 * Loads the model anew for each way and round (A B C, A B C), so that a machine that slows down slows all of them; the
 * first way is what the others are compared with.
 */
export async function compareWays(
  context: CliContext,
  flags: RunFlags,
  ways: readonly Way[],
  { tests, rounds, warmup }: CompareOptions,
): Promise<Compared[]> {
  const contextSize = flags.ctxSize ?? Math.max(...tests.map(contextOf));
  const samples = ways.map(() => tests.map((): number[] => []));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { name, load }] of ways.entries()) {
      if (context.verbose) context.notice(`round ${round + 1} of ${rounds}: ${name}`);
      await withModel(
        context,
        flags,
        async ({ model }) => {
          for (const [k, test] of tests.entries()) {
            const { signal } = context;
            const once = { repetitions: 1, warmup, signal, onRepetition: () => undefined };
            const { tokensPerSecond } = await measureTest(model, test, once);
            samples[i]![k]!.push(...tokensPerSecond);
          }
        },
        { load: { contextSize, ...load } },
      );
    }
  }
  const best = samples.map((rows) => rows.map((row) => Math.max(...row)));
  return ways.map(({ name }, i) => ({
    name,
    tests: tests.map((test, k) => ({
      test: nameOf(test),
      samples: samples[i]![k]!,
      best: best[i]![k]!,
      ratio: best[i]![k]! / best[0]![k]!,
    })),
  }));
}

export function renderCompared(title: string, compared: readonly Compared[], format: 'md' | 'json'): string {
  if (format === 'json') return `${JSON.stringify(compared, undefined, 2)}\n`;
  const tests = compared[0]?.tests ?? [];
  const columns: Column[] = [
    { title },
    ...tests.flatMap(({ test }): Column[] => [
      { title: `${test} t/s`, align: 'right' },
      { title: 'ratio', align: 'right' },
    ]),
  ];
  const rows = compared.map(({ name, tests }) => [
    name,
    ...tests.flatMap(({ best, ratio }) => [best.toFixed(2), `${ratio.toFixed(3)} x`]),
  ]);
  return markdownTable(columns, rows);
}
