/** Progress on standard error: a bar on a terminal, a few plain lines elsewhere. */
import { SingleBar } from 'cli-progress';
import type { LoadProgress } from '../engine/types.ts';
import type { StoreProgress } from '../models/index.ts';
import type { CliContext } from './context.ts';
import { bytesText, countText, durationText } from './text.ts';

export interface ProgressView {
  onDownload(progress: StoreProgress): void;
  onLoad(progress: LoadProgress): void;
  /** Any other work, counted in bytes; `title` as in `Quantizing`. */
  onBytes(title: string, bytes: number, totalBytes: number): void;
  /** The same counted in things, such as chunks. */
  onCount(title: string, done: number, total: number, thing: string): void;
  /** Takes the bar off the screen. */
  stop(): void;
}

/** Without a terminal: a line at most every 10 s and 10 %, so that logs stay short. */
const LINE_MS = 10_000;

export function createProgress(context: CliContext): ProgressView {
  const terminal = process.stderr.isTTY === true;
  let bar: SingleBar | undefined;
  let stage = '';
  let lineAt = 0;

  const stop = (): void => {
    bar?.stop();
    bar = undefined;
    stage = '';
  };
  /** One bar per stage; a total that is still unknown counts as what is done. */
  const show = (name: string, title: string, bytes: number, total: number, tail: string): void => {
    if (stage !== name) {
      stop();
      stage = name;
      bar = new SingleBar({
        format: `${title} {bar} {percentage}% {tail}`,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 30,
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: true,
        // Ctrl-C has its own way, at the end of which stop() shows the cursor again.
        gracefulExit: false,
      });
      bar.start(Math.max(total, 1), 0, { tail });
    }
    bar!.setTotal(Math.max(total, bytes, 1));
    bar!.update(bytes, { tail });
  };

  return {
    onDownload({ stage: name, bytes, totalBytes, bytesPerSecond, etaSeconds, source }) {
      const title = name === 'download' ? `Downloading from ${source}` : 'Checking';
      const size = totalBytes > 0 ? `${bytesText(bytes)} of ${bytesText(totalBytes)}` : bytesText(bytes);
      const rate = bytesPerSecond > 0 ? `, ${bytesText(bytesPerSecond)}/s` : '';
      const left = etaSeconds === undefined ? '' : `, ${durationText(etaSeconds * 1000)} left`;
      if (terminal) return show(name, title, bytes, totalBytes, size + rate + left);
      const now = performance.now();
      const done = bytes === totalBytes;
      if (name !== 'download' || (stage === name && !done && now - lineAt < LINE_MS)) return;
      if (done && lineAt === Infinity) return;
      stage = name;
      lineAt = done ? Infinity : now;
      context.notice(`${title.toLowerCase()}: ${size}${rate}${done ? '' : left}`);
    },
    onLoad({ stage: name, bytes, totalBytes }) {
      // Downloads and checks come through onDownload, in more detail; the other stages are short.
      if (!terminal || name !== 'load') return;
      show(name, 'Loading model...', bytes, totalBytes, `${bytesText(bytes)} of ${bytesText(totalBytes)}`);
    },
    onBytes(title, bytes, totalBytes) {
      if (terminal) show(title, title, bytes, totalBytes, `${bytesText(bytes)} of ${bytesText(totalBytes)}`);
    },
    onCount(title, done, total, thing) {
      if (terminal) show(title, title, done, total, `${done} of ${countText(total, thing)}`);
    },
    stop,
  };
}
