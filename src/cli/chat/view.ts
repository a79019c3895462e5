/** How a turn looks while it streams, and the line that follows it. */
import type { CliContext } from '../context.ts';
import { numberText } from '../text.ts';
import type { ChatSession, Turn, TurnView } from './session.ts';

/**
 * Writes the answer to standard output, without the white space around it. Reasoning is shown dimmed on a terminal;
 * elsewhere it is left out: a program that reads the answer wants nothing else.
 */
export function createTurnView(context: CliContext, options: { terminal: boolean }): TurnView {
  const { terminal } = options;
  const { out, err } = context;
  let kind: 'thinking' | 'answer' | undefined;
  let held = '';
  return {
    onPart(part) {
      if (part.kind === 'thinking' && !terminal) return;
      let text = part.text;
      if (part.kind !== kind) {
        // Models put empty lines around their reasoning.
        text = text.trimStart();
        if (text === '') return;
        if (kind !== undefined) context.print('\n\n');
        kind = part.kind;
        held = '';
      }
      // Line ends are held until something follows them.
      text = held + text;
      const end = text.trimEnd().length;
      held = text.slice(end);
      if (end > 0) context.print(kind === 'thinking' ? out.dim(text.slice(0, end)) : text.slice(0, end));
    },
    onNote(text) {
      if (terminal) context.print(out.yellow(`(${text})\n`));
      else context.log(err.yellow(`nibble: ${text}`));
    },
  };
}

/** `[42 tokens · first after 35 ms · 120.3 tok/s · 8.3 ms/token · context 87/512]` */
export function turnLine(session: ChatSession, turn: Turn): string {
  const { generatedTokens, timeToFirstTokenMs, decodeTokensPerSecond: rate } = turn.timings;
  const parts = [
    `${generatedTokens} tokens`,
    `first after ${numberText(timeToFirstTokenMs, 0)} ms`,
    ...(rate > 0 ? [`${numberText(rate)} tok/s`, `${numberText(1000 / rate)} ms/token`] : []),
    `context ${session.contextUsed}/${session.model.info.contextSize}`,
    ...(turn.reason === 'eos' ? [] : [REASONS[turn.reason]]),
  ];
  return `[${parts.join(' · ')}]`;
}

const REASONS = {
  length: 'ended by --n-predict',
  stop: 'ended by a stop text',
  context: 'ended by a full context',
  interrupted: 'interrupted',
} as const;
