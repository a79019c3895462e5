/** Turns counts of bytes into progress reports with a rate and the time left. */
import type { StoreProgress } from './types.ts';

const REPORT_MS = 100;
/** The rate is that of about the last seconds: connections speed up and slow down. */
const WINDOW_MS = 5_000;

export class ProgressMeter {
  private readonly stage: StoreProgress['stage'];
  private readonly source: string;
  private readonly report: (progress: StoreProgress) => void;
  private totalBytes: number;
  private bytes = 0;
  private reportedAt = 0;
  private samples: { at: number; bytes: number }[] = [];

  constructor(
    stage: StoreProgress['stage'],
    source: string,
    totalBytes: number,
    report: (progress: StoreProgress) => void,
  ) {
    this.stage = stage;
    this.source = source;
    this.totalBytes = totalBytes;
    this.report = report;
  }

  /** Where a file starts or restarts: bytes that were there before do not count for the rate. */
  startAt(bytes: number): void {
    this.bytes = bytes;
    this.samples = [{ at: performance.now(), bytes }];
  }

  /** A size that became known late. */
  setTotal(totalBytes: number): void {
    this.totalBytes = totalBytes;
  }

  /** `bytes` done in all. */
  update(bytes: number): void {
    const now = performance.now();
    this.bytes = bytes;
    if (now - this.reportedAt < REPORT_MS) return;
    this.samples.push({ at: now, bytes });
    while (this.samples.length > 2 && now - this.samples[0]!.at > WINDOW_MS) this.samples.shift();
    this.send(now);
  }

  /** The last report of the stage. */
  finish(bytes: number): void {
    this.bytes = bytes;
    this.samples.push({ at: performance.now(), bytes });
    this.send(performance.now());
  }

  private send(now: number): void {
    this.reportedAt = now;
    const first = this.samples[0];
    const seconds = first ? (now - first.at) / 1000 : 0;
    const rate = first && seconds > 0 ? Math.max(0, this.bytes - first.bytes) / seconds : 0;
    const left = this.totalBytes - this.bytes;
    this.report({
      stage: this.stage,
      bytes: this.bytes,
      totalBytes: this.totalBytes,
      bytesPerSecond: Math.round(rate),
      etaSeconds: rate > 0 && this.totalBytes > 0 ? Math.max(0, left) / rate : undefined,
      source: this.source,
    });
  }
}
