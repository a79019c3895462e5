/** One message, one answer, no colours and no banner: for pipes and programs. */
import { AbortedError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { rounded } from '../text.ts';
import { timingsJson } from '../timings.ts';
import type { ChatSession } from './session.ts';
import type { ChatFlags } from './settings.ts';
import { createTurnView, turnLine } from './view.ts';

/** Throws AbortedError when the user stopped it; what came until then has been printed. */
export async function runOneShot(
  context: CliContext,
  session: ChatSession,
  prompt: string,
  flags: ChatFlags,
): Promise<void> {
  const plain = createTurnView(context, { terminal: false });
  const view = {
    onNote: plain.onNote,
    onPart(part: Parameters<typeof plain.onPart>[0]) {
      if (!flags.json) plain.onPart(part);
      else if (flags.stream) context.json(part);
    },
  };
  const turn = await session.answer(prompt, view, context.signal);
  if (flags.json) {
    const { info } = session.model;
    context.json({
      text: turn.answer,
      ...(turn.thinking === '' ? {} : { thinking: turn.thinking.trim() }),
      reason: turn.reason,
      messages: session.conversation.messages,
      model: info.source,
      timings: { loadMs: rounded(info.loadMs), ...timingsJson(turn.timings) },
    });
  } else {
    context.print('\n');
    if (context.verbose) context.notice(turnLine(session, turn));
  }
  await context.flush();
  if (turn.reason === 'interrupted') throw new AbortedError();
}
