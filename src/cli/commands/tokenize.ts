import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readBytes } from '../input.ts';
import { addSourceOptions, jsonOption, modelOption, type OutputFlags, type SourceFlags } from '../options.ts';
import { openVocabulary } from '../vocabulary.ts';

interface Flags extends SourceFlags, OutputFlags {
  file?: string;
  prompt?: string;
  ids?: boolean;
  special: boolean;
  bos: boolean;
}

export function addTokenize(program: Command, context: CliContext): void {
  addSourceOptions(program.command('tokenize').addOption(modelOption()))
    .description('text to token ids; needs only the vocabulary of the file')
    .argument('[text]', 'the text; - is standard input')
    .option('-p, --prompt <text>', 'the text, as an option')
    .option('-f, --file <file>', 'take the text from a file, byte for byte; - is standard input')
    .option('--ids', 'print a JSON array of ids only')
    .option('--no-special', 'special tokens in the text stay text')
    .option('--no-bos', 'add no BOS and no EOS')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble tokenize -m model.gguf --ids "Hello there"')
    .action((text: string | undefined, flags: Flags) => runTokenize(context, text, flags));
}

async function runTokenize(context: CliContext, text: string | undefined, flags: Flags): Promise<void> {
  const given = onlyOne({ TEXT: text, '--prompt': flags.prompt, '--file': flags.file });
  if (given === undefined)
    throw new UsageError('no text: give it as an argument, with -f FILE, or - and a pipe');
  const input = flags.file ?? (text === '-' ? '-' : undefined);
  const source = input === undefined ? (text ?? flags.prompt)! : await readBytes(input);
  const tokenizer = await openVocabulary(context, flags);
  const ids = tokenizer.encode(source, { addSpecial: flags.bos, parseSpecial: flags.special });
  if (flags.json) {
    return context.json({ ids, tokens: ids.map((id) => ({ id, text: tokenizer.tokenText(id) })) });
  }
  if (flags.ids) return context.json(ids);
  const decoder = new TextDecoder();
  for (const id of ids) {
    const piece = decoder.decode(tokenizer.piece(id, true));
    context.print(`${String(id).padStart(6)}  ${JSON.stringify(piece)}\n`);
  }
}
