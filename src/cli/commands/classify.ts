import type { Command } from 'commander';
import type { Classification } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { withModel } from '../open-model.ts';
import {
  addRunOptions,
  jsonOption,
  requiredModelOption,
  type OutputFlags,
  type RunFlags,
} from '../options.ts';
import { portions, readTexts } from '../texts.ts';

interface Flags extends RunFlags, OutputFlags {
  file?: string;
}

/** Texts between two outputs. */
const PORTION = 64;

export function addClassify(program: Command, context: CliContext): void {
  addRunOptions(program.command('classify').addOption(requiredModelOption()))
    .description('label and probability of texts, by a model with a classifier (such as sentiment)')
    .argument('[text...]', 'the texts; - is standard input, one per line')
    .option('-f, --file <file>', 'take the texts from a file, one per line; - is standard input')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble classify -m distilbert-sst2.gguf "What a lovely film."')
    .action((texts: string[], flags: Flags) => runClassify(context, texts, flags));
}

async function runClassify(context: CliContext, given: string[], flags: Flags): Promise<void> {
  const texts = await readTexts(given, flags.file);
  await withModel(context, flags, async ({ model }) => {
    const results: (Classification & { text: string })[] = [];
    for (const portion of portions(texts, PORTION)) {
      const classes = await model.classify(portion, { signal: context.signal });
      for (const [i, one] of classes.entries()) {
        const text = portion[i]!;
        if (flags.json) results.push({ text, ...one });
        else context.print(line(one, texts.length > 1 ? text : undefined));
      }
      await context.flush();
    }
    if (flags.json) context.json({ model: model.info.name, labels: model.info.labels, results });
  });
}

/** `POSITIVE  0.9987`, and the text where there are several. */
function line({ label, probability }: Classification, text: string | undefined): string {
  return `${label}\t${probability.toFixed(4)}${text === undefined ? '' : `\t${text}`}\n`;
}
