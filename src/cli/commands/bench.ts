import { Option, type Command } from 'commander';
import { UsageError } from '../../errors.ts';
import {
  batchedContext,
  measureBatched,
  renderBatched,
  withScaling,
  type BatchedRow,
} from '../bench/batched.ts';
import { compareWays, renderCompared, type Compared, type Way } from '../bench/compare.ts';
import { fusionWays } from '../bench/fusion.ts';
import { benchKernels, layoutWays, renderLayouts } from '../bench/layouts.ts';
import { contextOf, measureTest, type BenchTest } from '../bench/measure.ts';
import { renderBench, type BenchFormat } from '../bench/render.ts';
import { benchRow, type BenchRow } from '../bench/row.ts';
import type { CliContext } from '../context.ts';
import { MOST_RUNS } from '../../engine/layout/segment.ts';
import { withModel } from '../open-model.ts';
import {
  addRunOptions,
  jsonOption,
  modelOption,
  THREADS,
  type OutputFlags,
  type RunFlags,
} from '../options.ts';
import { integer, integers, list } from '../parse.ts';

interface Flags extends Omit<RunFlags, 'threads'>, OutputFlags {
  nPrompt: number[];
  nGen: number[];
  repetitions: number;
  threads?: number[];
  output?: BenchFormat;
  warmup: boolean;
  fusion?: boolean;
  layouts?: boolean;
  batched?: boolean;
  npl?: number[];
}

const DEFAULT_BATCH = 512;
const DEFAULT_SEQUENCES = [1, 2, 4, 8];

export function addBench(program: Command, context: CliContext): void {
  const counts = list(integer(0, 2 ** 20));
  const command = program
    .command('bench')
    .description('measure speed as llama-bench does: pp reads a prompt, tg generates; 0 leaves a test out')
    .addOption(modelOption())
    .addOption(
      new Option('-p, --n-prompt <list>', 'tokens in the prompt').argParser(counts).default([512], '512'),
    )
    .addOption(new Option('-n, --n-gen <list>', 'tokens to generate').argParser(counts).default([128], '128'))
    .addOption(new Option('-r, --repetitions <n>', 'times').argParser(integer(1, 1000)).default(5))
    .addOption(new Option(`${THREADS} <list>`, 'worker threads: 1,2,4 or 1..4').argParser(integers(1, 256)))
    .addOption(new Option('-o, --output <format>', 'default: md').choices(['md', 'json', 'csv']))
    .option('--no-warmup', 'no unmeasured run before each test')
    .option('--fusion', 'what each fusion of operations is worth: with and without, in turn, best of -r')
    .option(
      '--layouts',
      'the layouts of Q4_0: their kernels, and with -m the model in each, in turn, best of -r',
    )
    .option('--batched', "several sequences at once: llama-batched-bench's columns")
    .addOption(
      new Option(
        '-b, --npl <list>',
        `--batched with so many sequences at once; also -npl; default: ${DEFAULT_SEQUENCES.join()}`,
      ).argParser(integers(1, MOST_RUNS)),
    );
  addRunOptions(command, {
    lists: true,
    ctxSize: 'positions in the context; default: as many as the tests need',
  })
    .addOption(jsonOption())
    .addHelpText(
      'after',
      [
        '',
        'Example:',
        '  nibble bench -m smollm2-135m -p 512 -n 128 -r 5 -t 1,2 -o md',
        '  nibble bench -m smollm2-135m -b 1,4,8,32 -p 128 -n 32 -t 1..2',
        '  nibble bench -m model-Q4_0.gguf --layouts -p 128 -n 32 -r 3',
      ].join('\n'),
    )
    .action((flags: Flags) => runBench(context, flags));
}

async function runBench(context: CliContext, flags: Flags): Promise<void> {
  const format = flags.json ? 'json' : (flags.output ?? 'md');
  if (flags.json && flags.output !== undefined && flags.output !== 'json') {
    throw new UsageError(`--json and --output ${flags.output} contradict each other`);
  }
  const batched = flags.batched || flags.npl !== undefined;
  const modes = Object.entries({
    '--fusion': flags.fusion,
    '--layouts': flags.layouts,
    '--batched': batched,
  });
  const given = modes.filter(([, on]) => on).map(([name]) => name);
  if (given.length > 1) throw new UsageError(`give only one of ${given.join(' and ')}`);
  if (batched) {
    context.print(renderBatched(withScaling(await benchBatched(context, flags)), format));
    return;
  }
  const tests: BenchTest[] = [
    ...flags.nPrompt.map((prompt) => ({ prompt, generate: 0 })),
    ...flags.nGen.map((generate) => ({ prompt: 0, generate })),
  ].filter((test) => test.prompt > 0 || test.generate > 0);
  if (tests.length === 0) throw new UsageError('nothing to measure: -p and -n are both 0');

  if (flags.fusion) {
    const compared = await compare(context, flags, tests, fusionWays());
    return context.print(renderCompared('fusion', compared, sideBySide(format, '--fusion')));
  }
  if (flags.layouts) return benchLayouts(context, flags, tests, sideBySide(format, '--layouts'));
  const rows: BenchRow[] = [];
  for (const threads of flags.threads ?? [undefined]) {
    rows.push(...(await benchThreads(context, { ...flags, threads }, tests, flags)));
  }
  context.print(renderBench(rows, format));
}

/** The formats of what has ways side by side instead of llama-bench's rows. */
function sideBySide(format: BenchFormat, option: string): 'md' | 'json' {
  if (format === 'csv') throw new UsageError(`${option} prints md or json, not csv`);
  return format;
}

/** Ways to load the model, side by side. */
async function compare(
  context: CliContext,
  flags: Flags,
  tests: readonly BenchTest[],
  ways: readonly Way[],
): Promise<Compared[]> {
  const { repetitions: rounds, warmup } = flags;
  return compareWays(context, oneThreadCount(flags), ways, { tests, rounds, warmup });
}

/** What takes one number of threads. */
function oneThreadCount(flags: Flags): RunFlags {
  if ((flags.threads?.length ?? 0) > 1) {
    throw new UsageError('--fusion and --layouts take one number of threads');
  }
  return { ...flags, threads: flags.threads?.[0] };
}

async function benchLayouts(
  context: CliContext,
  flags: Flags,
  tests: readonly BenchTest[],
  format: 'md' | 'json',
): Promise<void> {
  if (flags.layout !== undefined) throw new UsageError('--layouts compares them all: leave --layout away');
  const rates = await benchKernels(context, oneThreadCount(flags), flags.repetitions);
  const compared = flags.model === undefined ? [] : await compare(context, flags, tests, layoutWays(context));
  context.print(renderLayouts(rates, compared, format));
}

/** Every number of sequences with every pair of prompt and answer, on each number of threads. */
async function benchBatched(context: CliContext, flags: Flags): Promise<BatchedRow[]> {
  const tests = (flags.npl ?? DEFAULT_SEQUENCES).flatMap((sequences) =>
    flags.nPrompt.flatMap((prompt) => flags.nGen.map((generate) => ({ prompt, generate, sequences }))),
  );
  if (tests.some(({ prompt, generate }) => prompt === 0 || generate === 0)) {
    throw new UsageError('--batched reads prompts and generates: neither -p nor -n can be 0');
  }
  const needs = tests.map(({ prompt, generate, sequences }) => batchedContext(prompt, generate, sequences));
  const contextSize = flags.ctxSize ?? Math.max(...needs);
  const { signal } = context;
  const rows: BatchedRow[] = [];
  for (const threads of flags.threads ?? [undefined]) {
    const run = { ...flags, threads };
    await withModel(
      context,
      run,
      async ({ model }) => {
        for (const test of tests) {
          if (flags.warmup) await measureBatched(model, test, { seed: 0, signal });
          const samples: BatchedRow[] = [];
          for (let i = 0; i < flags.repetitions; i++)
            samples.push(await measureBatched(model, test, { seed: i + 1, signal }));
          rows.push(samples.sort((a, b) => a.t - b.t)[Math.floor((samples.length - 1) / 2)]!);
        }
      },
      { load: { contextSize } },
    );
  }
  return rows;
}

/** Loads the model once per number of threads: load time and memory belong to the row. */
function benchThreads(
  context: CliContext,
  run: RunFlags,
  tests: readonly BenchTest[],
  { repetitions, warmup }: Flags,
): Promise<BenchRow[]> {
  const contextSize = run.ctxSize ?? Math.max(...tests.map(contextOf));
  const bench = async (model: Parameters<typeof measureTest>[0]): Promise<BenchRow[]> => {
    const rows: BenchRow[] = [];
    for (const test of tests) {
      const name = test.generate > 0 ? `tg${test.generate}` : `pp${test.prompt}`;
      const samples = await measureTest(model, test, {
        repetitions,
        warmup,
        signal: context.signal,
        onRepetition: (done) => {
          if (context.verbose)
            context.notice(`${name}, ${model.info.threads} threads: ${done} of ${repetitions}`);
        },
      });
      rows.push(benchRow(model, test, samples, run.batchSize ?? DEFAULT_BATCH));
    }
    return rows;
  };
  return withModel(context, run, ({ model }) => bench(model), { load: { contextSize } });
}
