/** The chat with turns: on a terminal coloured and edited; from a pipe (--interactive) one line a turn. */
import { AbortedError, NibbleError, WorkerError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { ExitError } from '../failure.ts';
import { createLineReader, type LineReader } from './line-reader.ts';
import type { ChatSession } from './session.ts';
import { runSlash } from './slash.ts';
import { createTurnView, turnLine } from './view.ts';

/** Throws ExitError 130 when the user leaves by Ctrl-C. */
export async function runInteractive(context: CliContext, session: ChatSession): Promise<void> {
  const chat = new InteractiveChat(context, session);
  try {
    await chat.run();
  } finally {
    chat.close();
  }
}

class InteractiveChat {
  private readonly context: CliContext;
  private readonly session: ChatSession;
  private readonly reader: LineReader;
  private readonly terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  private readonly onStop = (): void => {
    this.answering?.abort();
    this.reader.close();
  };
  private answering: AbortController | undefined;
  /** Ctrl-C since the last line. */
  private interrupts = 0;

  constructor(context: CliContext, session: ChatSession) {
    this.context = context;
    this.session = session;
    this.reader = createLineReader(() => context.interrupt());
    context.onInterrupt(() => this.interrupted());
    context.signal.addEventListener('abort', this.onStop, { once: true });
  }

  async run(): Promise<void> {
    for (;;) {
      const line = await this.reader.read(this.context.out.green('USER: '));
      if (line === undefined) break;
      this.interrupts = 0;
      const text = line.trim();
      if (text !== '' && !(await this.turn(text))) return;
      if (this.left) break;
    }
    if (this.terminal) this.context.print('\n');
    if (this.left) throw new ExitError(130);
    if (this.context.signal.aborted) throw new AbortedError();
  }

  close(): void {
    this.context.onInterrupt(undefined);
    this.context.signal.removeEventListener('abort', this.onStop);
    this.reader.close();
  }

  private get left(): boolean {
    return this.interrupts >= 2;
  }

  /** Ctrl-C: stops the answer, or takes back what is being typed, or, the second time, leaves. */
  private interrupted(): void {
    if (this.answering && this.interrupts === 0) {
      this.interrupts = 1;
      this.answering.abort();
    } else if (!this.answering && this.reader.pending !== '') {
      this.reader.clearPending();
    } else if (++this.interrupts >= 2) {
      this.onStop();
    } else {
      this.say(this.dim(`${this.terminal ? '\n' : ''}(Ctrl-C again, or /exit, leaves)`));
      this.reader.prompt();
    }
  }

  /** One message or command; false: leave. An error that has a name ends the turn, not the chat. */
  private async turn(text: string): Promise<boolean> {
    try {
      if (!text.startsWith('/')) {
        await this.answer(text);
        return true;
      }
      const result = await runSlash({ session: this.session, say: (line) => this.say(line) }, text);
      if (result === 'regenerate') await this.answer(undefined);
      return result !== 'exit';
    } catch (error) {
      if (!isForgivable(error) || this.context.signal.aborted) throw error;
      const { out, err } = this.context;
      this.say((this.terminal ? out : err).red(`nibble: ${(error as Error).message}`));
      return true;
    }
  }

  private async answer(text: string | undefined): Promise<void> {
    const { context, session, terminal } = this;
    const controller = (this.answering = new AbortController());
    if (terminal) context.print(context.out.cyan('ASSISTANT: '));
    try {
      const view = createTurnView(context, { terminal });
      const turn = await session.answer(text, view, controller.signal);
      context.print('\n');
      this.say(this.dim(turnLine(session, turn)));
      await context.flush();
    } catch (error) {
      if (terminal) context.print('\n');
      throw error;
    } finally {
      this.answering = undefined;
    }
  }

  /** On a terminal all goes to one place; otherwise standard output is for answers only. */
  private say(text: string): void {
    if (this.terminal) this.context.print(`${text}\n`);
    else this.context.log(text);
  }

  private dim(text: string): string {
    return (this.terminal ? this.context.out : this.context.err).gray(text);
  }
}

/** Wrong commands, unreadable files, too long messages: the chat can go on. A dead worker: it cannot. */
function isForgivable(error: unknown): boolean {
  if (error instanceof WorkerError) return false;
  return error instanceof NibbleError || (error instanceof Error && 'syscall' in error);
}
