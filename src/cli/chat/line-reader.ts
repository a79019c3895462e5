/**
 * Lines from the user: editing and history on a terminal, plain lines from a pipe, and """ for several lines in
 * one message. readline stays attached while the model speaks, muted: in raw mode Ctrl-C comes as a key.
 */
import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';

export interface LineReader {
  /** The next message; undefined at the end of the input. `prompt` is shown on a terminal only. */
  read(prompt: string): Promise<string | undefined>;
  /** What stands on the line that is being typed; and takes it away. */
  readonly pending: string;
  clearPending(): void;
  /** Shows the prompt again, below what was written meanwhile. */
  prompt(): void;
  close(): void;
}

const FENCE = '"""';

/** standard output for readline, silent while nobody is asked. */
class Muted extends Writable {
  muted = true;
  readonly isTTY = true;

  get columns(): number {
    return process.stdout.columns;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (!this.muted) process.stdout.write(chunk);
    done();
  }
}

export function createLineReader(onInterrupt: () => void): LineReader {
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const output = new Muted();
  const rl: Interface = createInterface({
    input: process.stdin,
    ...(terminal ? { output, terminal, historySize: 500, removeHistoryDuplicates: true } : {}),
  });
  // Lines that come while nobody waits (typed ahead, or from a pipe) queue up.
  const lines: string[] = [];
  let waiting: ((line: string | undefined) => void) | undefined;
  let ended = false;
  rl.on('line', (line) => {
    if (waiting) waiting(line);
    else lines.push(line);
  });
  rl.on('close', () => {
    ended = true;
    waiting?.(undefined);
  });
  rl.on('SIGINT', onInterrupt);

  const readLine = (prompt: string): Promise<string | undefined> => {
    if (lines.length > 0) {
      const line = lines.shift()!;
      if (terminal) process.stdout.write(`${prompt}${line}\n`);
      return Promise.resolve(line);
    }
    if (ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      waiting = (line) => {
        waiting = undefined;
        output.muted = true;
        resolve(line);
      };
      if (!terminal) return;
      output.muted = false;
      rl.setPrompt(prompt);
      rl.prompt(true);
    });
  };

  return {
    async read(prompt) {
      const first = await readLine(prompt);
      if (first === undefined || !first.trimStart().startsWith(FENCE)) return first;
      let text = first.trimStart().slice(FENCE.length);
      while (!text.trimEnd().endsWith(FENCE)) {
        const line = await readLine('  ... ');
        if (line === undefined) return text;
        text += `\n${line}`;
      }
      return text.trimEnd().slice(0, -FENCE.length).replace(/^\n/, '').replace(/\n$/, '');
    },
    get pending() {
      return rl.line;
    },
    clearPending() {
      // Ctrl-E, Ctrl-U: to the end of the line, and delete all before it.
      rl.write(null, { ctrl: true, name: 'e' });
      rl.write(null, { ctrl: true, name: 'u' });
    },
    prompt() {
      if (terminal && waiting) rl.prompt(true);
    },
    close() {
      rl.close();
    },
  };
}
