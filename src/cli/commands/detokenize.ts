import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readText } from '../input.ts';
import { addSourceOptions, jsonOption, modelOption, type OutputFlags, type SourceFlags } from '../options.ts';
import { tokenIds } from '../parse.ts';
import { openVocabulary } from '../vocabulary.ts';

interface Flags extends SourceFlags, OutputFlags {
  ids?: number[];
  file?: string;
  special?: boolean;
}

export function addDetokenize(program: Command, context: CliContext): void {
  addSourceOptions(program.command('detokenize').addOption(modelOption()))
    .description('token ids to text, byte for byte; needs only the vocabulary of the file')
    .argument('[ids...]', 'ids: 1,2,3 or 1 2 3 or a JSON array; - is standard input')
    .option('--ids <ids>', 'the ids, as an option', tokenIds)
    .option('-f, --file <file>', 'take the ids from a file; - is standard input')
    .option('--special', 'show control tokens such as <|im_end|>')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble detokenize -m model.gguf 9906,1070')
    .action((words: string[], flags: Flags) => runDetokenize(context, words, flags));
}

async function runDetokenize(context: CliContext, words: string[], flags: Flags): Promise<void> {
  const text = words.length > 0 ? words.join(' ') : undefined;
  const given = onlyOne({ IDS: text, '--ids': flags.ids, '--file': flags.file });
  if (given === undefined)
    throw new UsageError('no ids: give them as arguments, with -f FILE, or - and a pipe');
  const input = flags.file ?? (text === '-' ? '-' : undefined);
  const ids = flags.ids ?? parseIds(input === undefined ? text! : await readText(input));
  const tokenizer = await openVocabulary(context, flags);
  const unknown = ids.find((id) => id >= tokenizer.size);
  if (unknown !== undefined) {
    throw new UsageError(`${unknown} is not a token id: the vocabulary has ${tokenizer.size} tokens`);
  }
  const bytes = tokenizer.decodeBytes(ids, { special: flags.special ?? false });
  if (flags.json) return context.json({ text: new TextDecoder().decode(bytes) });
  context.print(bytes);
  if (process.stdout.isTTY) context.print('\n');
}

/** The ids of an argument or a file; commander is not there any more to name what is wrong. */
function parseIds(text: string): number[] {
  try {
    return tokenIds(text);
  } catch (error) {
    throw error instanceof InvalidArgumentError ? new UsageError(`token ids: ${error.message}`) : error;
  }
}
