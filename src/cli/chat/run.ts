/** Loads the model of a chat and chooses between turns and one answer. */
import { UsageError } from '../../errors.ts';
import type { GenerateOptions, Model } from '../../engine/types.ts';
import type { ResolvedModel } from '../../models/index.ts';
import type { CliContext } from '../context.ts';
import { readStandardInput } from '../input.ts';
import { withModels } from '../open-model.ts';
import { samplingOf } from '../options.ts';
import { bytesText, durationText } from '../text.ts';
import { runInteractive } from './interactive.ts';
import { runOneShot } from './one-shot.ts';
import { ChatSession } from './session.ts';
import type { ChatFlags } from './settings.ts';

export async function runChat(context: CliContext, flags: ChatFlags): Promise<void> {
  const oneShot = flags.prompt !== undefined || (!flags.interactive && !process.stdin.isTTY);
  if (flags.interactive && flags.prompt !== undefined) {
    throw new UsageError('--interactive and --prompt contradict each other');
  }
  if (flags.json && !oneShot) throw new UsageError('--json needs --prompt or a message on standard input');
  if (flags.stream && !flags.json)
    throw new UsageError('--stream goes with --json; plain text always streams');
  const prompt = oneShot ? (flags.prompt ?? (await pipedPrompt())) : '';
  const banner = oneShot ? undefined : createBanner(context);
  const run = async (model: Model, extra: Pick<GenerateOptions, 'speculation'>): Promise<void> => {
    const session = new ChatSession(model, { ...samplingOf(flags), ...extra }, flags.onFull ?? 'shift');
    try {
      if (flags.system !== undefined) session.conversation.system = flags.system;
      if (oneShot) return await runOneShot(context, session, prompt, flags);
      banner?.ready(model, session.isBase);
      await runInteractive(context, session);
    } finally {
      session.dispose();
    }
  };
  await withModels(context, flags, run, { onResolved: banner?.found });
}

async function pipedPrompt(): Promise<string> {
  const text = new TextDecoder().decode(await readStandardInput()).replace(/\r?\n$/, '');
  if (text.trim() === '') throw new UsageError('standard input is empty: give a message, or --prompt TEXT');
  return text;
}

/** The lines before the first turn, in TinyChatEngine's words. */
function createBanner(context: CliContext): {
  found: (model: ResolvedModel) => void;
  ready: (model: Model, isBase: boolean) => void;
} {
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const say = (text: string): void => (terminal ? context.print(`${text}\n`) : context.log(text));
  const { dim, bold } = terminal ? context.out : context.err;
  return {
    found({ name, bytes, paths }) {
      const files = paths.length > 1 ? `, ${paths.length} files` : '';
      say(`Using model: ${bold(name)} ${dim(`(${bytesText(bytes)}${files})`)}`);
    },
    ready({ info }, isBase) {
      const weights = info.weightTypes[0];
      say(
        `Using format: ${bold(info.fileType)} weights (${weights?.type ?? '-'}: ${weights?.layout ?? '-'}), ` +
          `${info.activations} activations, ${info.variant} kernels`,
      );
      say(`Loading model... Finished! ${dim(`(${durationText(info.loadMs)}, ${info.threads} threads)`)}`);
      if (isBase) {
        say('This is a base model without a chat template: it continues each text, and knows no turns.');
      }
      say(dim('/help lists commands. Ctrl-C stops an answer, twice leaves.\n'));
    },
  };
}
