import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { Model } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readBytes } from '../input.ts';
import { withModel } from '../open-model.ts';
import { addRunOptions, jsonOption, modelOption, type OutputFlags, type RunFlags } from '../options.ts';
import { integer } from '../parse.ts';
import { KlReader, KlWriter } from '../perplexity/kl-file.ts';
import { perplexity, type PerplexityResult } from '../perplexity/run.ts';
import { cutWindows, type Window } from '../perplexity/windows.ts';

interface Flags extends RunFlags, OutputFlags {
  file?: string;
  prompt?: string;
  klBase?: string;
  saveKlBase?: string;
  klDivergenceBase?: string;
  klDivergence?: boolean;
  chunks?: number;
}

const DEFAULT_WINDOW = 512;

export function addPerplexity(program: Command, context: CliContext): void {
  addRunOptions(program.command('perplexity').addOption(modelOption()))
    .description('how well a model predicts a text: negative log likelihood and perplexity with error bars')
    .option('-f, --file <file>', 'the text; - is standard input')
    .option('-p, --prompt <text>', 'the text itself')
    .option('--chunks <n>', 'only so many windows', integer(1))
    .option(
      '--kl-base <file>',
      'compare with the log probabilities in this file: KL divergence, top-1 agreement',
    )
    .option('--save-kl-base <file>', 'write log probabilities to compare with')
    .option('--kl-divergence-base <file>', "llama-perplexity's name: the base, written ...")
    .option('--kl-divergence', '... or, with this option, compared with')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe text is cut into windows of --ctx-size tokens (default 512); the second half of each is scored, and\n' +
        'a text shorter than one window is scored whole. Base files have the format of llama-perplexity.\n' +
        '\nExample:\n  nibble perplexity -m model.gguf -f text.txt\n' +
        '  nibble perplexity -m big.gguf -f text.txt --save-kl-base base.kld\n' +
        '  nibble perplexity -m small.gguf --kl-base base.kld --json',
    )
    .action((flags: Flags) => runPerplexity(context, flags));
}

async function runPerplexity(context: CliContext, flags: Flags): Promise<void> {
  const { base: basePath, save: savePath } = klPaths(flags);
  const given = onlyOne({ '--file': flags.file, '--prompt': flags.prompt });
  if (given === undefined && basePath === undefined) throw new UsageError('no text: give -f FILE');
  const text = flags.file === undefined ? flags.prompt : await readBytes(flags.file);
  const base = basePath === undefined ? undefined : await KlReader.open(basePath);
  try {
    const size = base?.header.window ?? flags.ctxSize ?? DEFAULT_WINDOW;
    await withModel(
      context,
      flags,
      ({ model }) => measure(context, model, { text, base, size, savePath, flags }),
      {
        load: { contextSize: size },
      },
    );
  } finally {
    await base?.close();
  }
}

/** Our two options, or llama-perplexity's pair. */
function klPaths(flags: Flags): { base?: string; save?: string } {
  const { klBase, saveKlBase, klDivergenceBase, klDivergence } = flags;
  if (klDivergence && klDivergenceBase === undefined) {
    throw new UsageError('--kl-divergence needs --kl-divergence-base FILE');
  }
  const paths = {
    base: klBase ?? (klDivergence ? klDivergenceBase : undefined),
    save: saveKlBase ?? (klDivergence ? undefined : klDivergenceBase),
  };
  if (paths.base !== undefined && paths.save !== undefined) {
    throw new UsageError('a base is either written or compared with, not both');
  }
  return paths;
}

interface Job {
  text: string | Uint8Array | undefined;
  base: KlReader | undefined;
  size: number;
  savePath: string | undefined;
  flags: Flags;
}

async function measure(context: CliContext, model: Model, job: Job): Promise<void> {
  const { base, savePath, flags } = job;
  const { tokenizer, info } = model;
  if (base && base.header.vocabulary !== info.vocabularySize) {
    throw new UsageError(
      `the base has ${base.header.vocabulary} tokens in its vocabulary, the model ${info.vocabularySize}`,
    );
  }
  const ids = base ? Array.from(base.header.tokens) : tokenizer.encode(job.text!, { parseSpecial: true });
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  // A base file scores the second half of a window also where there is but one.
  const size = base || savePath === undefined ? job.size : Math.min(job.size, ids.length);
  let windows = cutWindows(ids, size, bos);
  if (base || savePath !== undefined) windows = windows.map(({ ids }) => ({ ids, first: size >> 1 }));
  if (flags.chunks !== undefined) windows = windows.slice(0, flags.chunks);

  const started = performance.now();
  const save =
    savePath === undefined ? undefined : await startBase(savePath, ids, windows, info.vocabularySize);
  const result = await perplexity(model, windows, {
    base,
    save,
    signal: context.signal,
    onWindow: (done, { perplexity }) => {
      if (!flags.json && windows.length > 1)
        context.log(`[${done}/${windows.length}] ${perplexity.toFixed(4)}`);
    },
  }).finally(() => save?.close());
  const seconds = (performance.now() - started) / 1000;
  report(context, flags, result, { window: size, windows: windows.length, seconds });
}

/** The file holds the text's own tokens; BOS is put over the first of each window when they are run. */
function startBase(path: string, ids: number[], windows: Window[], vocabulary: number): Promise<KlWriter> {
  const window = windows[0]!.ids.length;
  const tokens = Int32Array.from(ids.slice(0, windows.length * window));
  return KlWriter.create(path, { window, vocabulary, tokens });
}

function report(
  context: CliContext,
  flags: Flags,
  result: PerplexityResult,
  run: { window: number; windows: number; seconds: number },
): void {
  if (flags.json) return context.json({ ...result, ...run });
  const { kl } = result;
  const lines = [
    `tokens scored:  ${result.tokens} in ${run.windows} window(s) of ${run.window}, ${run.seconds.toFixed(1)} s`,
    `NLL:            ${result.nll.toFixed(4)}, mean ${result.nllMean.toFixed(6)} ± ${result.nllError.toFixed(6)}`,
    `perplexity:     ${result.perplexity.toFixed(4)} ± ${result.perplexityError.toFixed(4)}`,
  ];
  if (kl) {
    lines.push(
      `base:           perplexity ${kl.basePerplexity.toFixed(4)}`,
      `KL divergence:  mean ${kl.mean.toFixed(6)} ± ${kl.error.toFixed(6)}, median ${kl.median.toFixed(6)}, ` +
        `99 % ${kl.p99.toFixed(6)}, largest ${kl.max.toFixed(6)}`,
      `same top token: ${kl.topAgreement.toFixed(2)} ± ${kl.topAgreementError.toFixed(2)} %`,
    );
  }
  context.print(`${lines.join('\n')}\n`);
}
