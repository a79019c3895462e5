/** Where a writer's bytes go. */

export interface ByteSink {
  /** Path, for messages. */
  readonly name: string;
  /** Appends. The bytes may be overwritten once the promise is fulfilled: a sink that keeps them copies them. */
  write(bytes: Uint8Array): Promise<void>;
  /** All is written: makes the result visible. */
  close(): Promise<void>;
  /** Something failed: leaves nothing behind. */
  abort(): Promise<void>;
}

export interface MemorySink extends ByteSink {
  /** What has been written so far, in one piece. */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** Collects everything in memory: for tests and for files that are small for certain. */
export function memorySink(name = 'memory'): MemorySink {
  let chunks: Uint8Array[] = [];
  return {
    name,
    write(bytes) {
      chunks.push(new Uint8Array(bytes));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    abort() {
      chunks = [];
      return Promise.resolve();
    },
    bytes() {
      const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      return all;
    },
  };
}
