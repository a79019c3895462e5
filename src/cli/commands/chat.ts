import type { Command } from 'commander';
import type { ChatFlags } from '../chat/settings.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../../errors.ts';
import { addRunOptions, jsonOption, modelArguments, modelOption, MODEL_TEXT } from '../options.ts';
import { addSamplingOptions } from '../sampling-options.ts';
import { addSpeculationOptions } from '../speculation-options.ts';

export function addChat(program: Command, context: CliContext): void {
  const command = program
    .command('chat')
    .description('talk with a model; with --prompt or piped standard input: one answer, and nothing else')
    .argument('[model]', `${MODEL_TEXT}; default: smollm2-135m`)
    .argument('[format]', 'INT4, INT8 or a quantization such as Q4_K_M')
    .addOption(modelOption().hideHelp())
    .option('--system <text>', 'the system prompt')
    .option('-p, --prompt <text>', 'answer this and exit')
    .option(
      '--state <file>',
      'go on with the conversation in this file, if there is one, and save it at the end',
    )
    .option('-i, --interactive', 'turns from standard input although it is no terminal: one line a turn');
  addSpeculationOptions(addSamplingOptions(addRunOptions(command), 'shift'))
    .addOption(jsonOption())
    .option('--stream', 'with --json: one line per part (NDJSON), the result last')
    .addHelpText(
      'after',
      '\nExample:\n  nibble chat\n  nibble chat qwen2.5-0.5b INT8 --temp 0.5\n' +
        '  nibble chat --prompt "Why is the sky blue?"\n  nibble chat ./model.gguf < question.txt',
    )
    .action(async (first: string | undefined, second: string | undefined, flags: ChatFlags) => {
      const { model, format } = modelArguments(first, second);
      if (model !== undefined && flags.model !== undefined) {
        throw new UsageError('the model is named twice: as an argument and with --model');
      }
      const { runChat } = await import('../chat/run.ts');
      return runChat(context, { ...flags, model: model ?? flags.model, format: format ?? flags.format });
    });
}
