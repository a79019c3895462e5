/** What every command gets: where to write, what stops it, how loud it may be. */
import pc from 'picocolors';
import { AbortedError } from '../errors.ts';

export type Colors = ReturnType<typeof pc.createColors>;

export interface CliContext {
  /** Aborted by Ctrl-C, and by a reader of standard output that went away. */
  readonly signal: AbortSignal;
  readonly verbose: boolean;
  /** Colours for standard output and standard error: plain text where they are not wanted. */
  readonly out: Colors;
  readonly err: Colors;
  /** Writes to standard output, as it is. */
  print(text: string | Uint8Array): void;
  /** Writes one JSON document and a line end. */
  json(value: unknown): void;
  /** One line on standard error. */
  log(line: string): void;
  /** A notice from the library, marked as ours. */
  notice(line: string): void;
  /** Waits until standard output took what was written; throws AbortedError when its reader went away. */
  flush(): Promise<void>;
  /** Takes Ctrl-C over (undefined: gives it back). By default the first stops the command, the second kills it. */
  onInterrupt(handler: (() => void) | undefined): void;
  /** Ctrl-C as it comes from the terminal in raw mode, where no signal is sent. */
  interrupt(): void;
  /** The exit code that an interruption asks for; undefined when there was none. */
  stopCode(): number | undefined;
}

export function createContext(argv: readonly string[]): CliContext {
  const controller = new AbortController();
  let takenOver: (() => void) | undefined;
  let stop: number | undefined;

  const interrupt = (): void => {
    if (takenOver) return takenOver();
    // The second time the user does not want to wait for workers to end in order.
    if (stop !== undefined) leaveAtOnce(130);
    stop = 130;
    controller.abort(new AbortedError('interrupted'));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', () => {
    if (stop !== undefined) leaveAtOnce(143);
    stop = 143;
    controller.abort(new AbortedError('terminated'));
  });
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Windows calls it EOF.
    if (error.code !== 'EPIPE' && error.code !== 'EOF') throw error;
    // `nibble ... | head`: the reader has what it wanted, which is no failure.
    stop ??= 0;
    controller.abort(new AbortedError('the reader of standard output went away'));
  });
  process.stderr.on('error', () => undefined);

  return {
    signal: controller.signal,
    verbose: argv.includes('--verbose'),
    out: pc.createColors(wantsColor(process.stdout)),
    err: pc.createColors(wantsColor(process.stderr)),
    print(text) {
      if (!controller.signal.aborted || stop !== 0) process.stdout.write(text);
    },
    json(value) {
      this.print(`${JSON.stringify(value)}\n`);
    },
    log(line) {
      process.stderr.write(`${line}\n`);
    },
    notice(line) {
      process.stderr.write(`nibble: ${line}\n`);
    },
    async flush() {
      if (stop === 0) throw new AbortedError();
      if (!process.stdout.writableNeedDrain) return;
      await new Promise<void>((resolve, reject) => {
        process.stdout.once('drain', resolve);
        controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error), {
          once: true,
        });
      });
    },
    onInterrupt(handler) {
      takenOver = handler;
    },
    interrupt,
    stopCode: () => stop,
  };
}

/** A progress bar may have hidden the cursor. */
function leaveAtOnce(code: number): never {
  if (process.stderr.isTTY) process.stderr.write('\x1b[?25h');
  process.exit(code);
}

/** https://no-color.org: any value that is not empty. FORCE_COLOR is Node's own convention. */
function wantsColor(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return stream.isTTY === true && TERM !== 'dumb';
}
