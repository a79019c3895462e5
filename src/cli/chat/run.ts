/** Loads the model of a chat and chooses between turns and one answer. */
import { access } from 'node:fs/promises';
import { AbortedError, UsageError } from '../../errors.ts';
import { requireDecoder } from '../../engine/decoder-only.ts';
import type { GenerateOptions, Model } from '../../engine/types.ts';
import type { ResolvedModel } from '../../models/index.ts';
import type { CliContext } from '../context.ts';
import { ExitError } from '../failure.ts';
import { readStandardInput } from '../input.ts';
import { checkWritable } from '../output.ts';
import { withModels } from '../open-model.ts';
import { samplingOf } from '../sampling-options.ts';
import { bytesText, durationText } from '../text.ts';
import { runInteractive } from './interactive.ts';
import { runOneShot } from './one-shot.ts';
import { ChatSession, MOST_CONTINUED } from './session.ts';
import type { ChatFlags } from './settings.ts';

const BASE_MODEL =
  'This is a base model without a chat template: it continues each text, and knows no turns ' +
  `(-n is ${MOST_CONTINUED} unless given).`;

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
    requireDecoder(model.info);
    const session = new ChatSession(model, { ...samplingOf(flags), ...extra }, flags.onFull ?? 'shift');
    try {
      if (flags.state !== undefined) await resume(session, flags.state, context);
      if (flags.system !== undefined) session.conversation.system = flags.system;
      const keep = async (): Promise<void> => {
        if (flags.state !== undefined) await session.save(flags.state);
      };
      try {
        if (oneShot && session.isBase) context.notice(BASE_MODEL);
        if (oneShot) await runOneShot(context, session, prompt, flags);
        else {
          banner?.ready(model, session.isBase);
          await runInteractive(context, session);
        }
      } catch (error) {
        // Left by Ctrl-C: that is an end like any other.
        if (error instanceof ExitError || error instanceof AbortedError) await keep();
        throw error;
      }
      await keep();
    } finally {
      session.dispose();
    }
  };
  await withModels(context, flags, run, { onResolved: banner?.found });
}

/** Goes on with a saved conversation; a file that is not there yet will be. */
async function resume(session: ChatSession, path: string, context: CliContext): Promise<void> {
  // Said now, not when an hour's talk is to be saved.
  await checkWritable(path);
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return;
  await session.load(path, context.signal);
  if (context.verbose) context.notice(`${path}: ${session.contextUsed} tokens of a saved conversation`);
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
        `Using format: ${bold(info.fileType)} weights (${weights?.type ?? '-'}: ${weights?.layoutText ?? '-'}), ` +
          `${info.activations} activations, ${info.variant} kernels`,
      );
      say(`Loading model... Finished! ${dim(`(${durationText(info.loadMs)}, ${info.threads} threads)`)}`);
      if (isBase) {
        say(BASE_MODEL);
      }
      say(dim('/help lists commands. Ctrl-C stops an answer, twice leaves.\n'));
    },
  };
}
