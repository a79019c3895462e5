import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { Model } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readBytes } from '../input.ts';
import { withModel } from '../open-model.ts';
import { addRunOptions, jsonOption, modelOption, type OutputFlags } from '../options.ts';
import { integer } from '../parse.ts';
import { KlReader, KlWriter } from '../../../tools/perplexity/kl-file.ts';
import { perplexity } from '../../../tools/perplexity/perplexity.ts';
import { CHOICE_SETS } from '../../../tools/perplexity/sets.ts';
import { cutStrided, cutWindows, stridedSize, type Window } from '../../../tools/perplexity/windows.ts';
import { runChoices, type ChoiceFlags } from '../perplexity/choices.ts';
import { perplexityText } from '../perplexity/report.ts';

interface Flags extends ChoiceFlags, OutputFlags {
  file?: string;
  prompt?: string;
  klBase?: string;
  saveKlBase?: string;
  klDivergenceBase?: string;
  klDivergence?: boolean;
  chunks?: number;
  pplStride?: number;
  multipleChoice?: string;
  hellaswag?: string;
}

const DEFAULT_WINDOW = 512;

export function addPerplexity(program: Command, context: CliContext): void {
  addRunOptions(program.command('perplexity').addOption(modelOption()), {
    ctxSize: `tokens per window; default: ${DEFAULT_WINDOW}`,
  })
    .description('how well a model predicts a text: negative log likelihood and perplexity with error bars')
    .option('-f, --file <file>', 'the text; - is standard input')
    .option('-p, --prompt <text>', 'the text itself')
    .option('--chunks <n>', 'only so many windows', integer(1))
    .option('--ppl-stride <n>', 'windows n tokens apart, of each of which the last n are scored', integer(1))
    .option(
      '--kl-base <file>',
      'compare with the log probabilities in this file: KL divergence, top-1 agreement',
    )
    .option('--save-kl-base <file>', 'write log probabilities to compare with')
    .option('--kl-divergence-base <file>', "llama-perplexity's name: the base, written ...")
    .option('--kl-divergence', '... or, with this option, compared with')
    .option(
      '--multiple-choice <set>',
      `questions instead of a text: ${[...CHOICE_SETS.keys()].join(' or ')}, which come with nibble, or a JSONL file`,
    )
    .option('--hellaswag <file>', "the same for HellaSwag's JSONL")
    .option('--tasks <n>', 'only so many questions', integer(1))
    .option('--base-model <model>', 'answers the questions, too: accuracy also in percent of its accuracy')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe text is cut into windows of --ctx-size tokens; the second half of each is scored, and\n' +
        'a text shorter than one window is scored whole. Base files have the format of llama-perplexity.\n' +
        [...CHOICE_SETS].map(([name, what]) => `--multiple-choice ${name}: ${what}\n`).join('') +
        '\nExample:\n  nibble perplexity -m model.gguf -f text.txt\n' +
        '  nibble perplexity -m big.gguf -f text.txt --save-kl-base base.kld\n' +
        '  nibble perplexity -m small.gguf --kl-base base.kld --json\n' +
        '  nibble perplexity -m q4.gguf --multiple-choice everyday --base-model f16.gguf',
    )
    .action((flags: Flags) => runPerplexity(context, flags));
}

async function runPerplexity(context: CliContext, flags: Flags): Promise<void> {
  const { base: basePath, save: savePath } = klPaths(flags);
  const given = onlyOne({
    ...{ '--file': flags.file, '--prompt': flags.prompt },
    ...{ '--multiple-choice': flags.multipleChoice, '--hellaswag': flags.hellaswag },
  });
  const questions = flags.multipleChoice ?? flags.hellaswag;
  checkTogether(flags, questions !== undefined, basePath !== undefined || savePath !== undefined);
  const idle = given ?? (flags.ctxSize === undefined ? undefined : '--ctx-size');
  if (basePath !== undefined && idle !== undefined) {
    throw new UsageError(`the base has text and windows of its own: leave out ${idle}`);
  }
  if (questions !== undefined) return runChoices(context, flags, questions);
  if (given === undefined && basePath === undefined) throw new UsageError('no text: give -f FILE');
  const text = flags.file === undefined ? flags.prompt : await readBytes(flags.file);
  const base = basePath === undefined ? undefined : await KlReader.open(basePath);
  try {
    const contextSize = flags.ctxSize ?? DEFAULT_WINDOW;
    const strided = flags.pplStride === undefined ? contextSize : stridedSize(contextSize, flags.pplStride);
    const size = base?.header.window ?? strided;
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

function checkTogether(flags: Flags, questions: boolean, kl: boolean): void {
  const { pplStride, chunks, tasks, baseModel } = flags;
  if (questions && (kl || pplStride !== undefined || chunks !== undefined)) {
    throw new UsageError('--kl-base, --save-kl-base, --chunks and --ppl-stride need a text, not questions');
  }
  if (!questions && (tasks !== undefined || baseModel !== undefined)) {
    throw new UsageError(
      '--tasks and --base-model go with --multiple-choice; for a text, see --save-kl-base',
    );
  }
  if (kl && pplStride !== undefined) {
    throw new UsageError(
      '--ppl-stride and a base do not go together: bases hold the second half of each window',
    );
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
  const ids = base ? Array.from(base.header.tokens) : tokenizer.encode(job.text!);
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  // A base file scores the second half of a window also where there is but one.
  const size = base || savePath === undefined ? job.size : Math.min(job.size, ids.length);
  let windows =
    flags.pplStride === undefined ? cutWindows(ids, size, bos) : cutStrided(ids, size, flags.pplStride, bos);
  if (base || savePath !== undefined) windows = windows.map(({ ids }) => ({ ids, first: size >> 1 }));
  if (flags.chunks !== undefined) windows = windows.slice(0, flags.chunks);

  const save =
    savePath === undefined ? undefined : await startBase(savePath, ids, windows, info.vocabularySize);
  const result = await perplexity(model, windows, {
    base,
    save,
    signal: context.signal,
    onWindow: (done, soFar, kl) => {
      if (flags.json || windows.length < 2) return;
      const divergence = kl === undefined ? '' : `, KL divergence ${kl.toFixed(6)}`;
      context.log(`[${done}/${windows.length}] ${soFar.toFixed(4)}${divergence}`);
    },
  });
  const window = windows[0]!.ids.length;
  if (flags.json) context.json({ ...result, window, windows: windows.length });
  else context.print(perplexityText(result, windows.length, window));
}

/** The file holds the text's own tokens; BOS is put over the first of each window when they are run. */
function startBase(path: string, ids: number[], windows: Window[], vocabulary: number): Promise<KlWriter> {
  const window = windows[0]!.ids.length;
  const tokens = Int32Array.from(ids.slice(0, windows.length * window));
  return KlWriter.create(path, { window, vocabulary, tokens });
}
