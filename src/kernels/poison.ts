import { POISON, PROGRESS } from './control.ts';

/** A worker is lost: tells its peers, who may sleep at a barrier, to give up. */
export function poison(memories: readonly WebAssembly.Memory[]): void {
  for (const { buffer } of memories) {
    const words = new Int32Array(buffer);
    Atomics.store(words, POISON / 4, 1);
    Atomics.add(words, PROGRESS / 4, 1);
    Atomics.notify(words, PROGRESS / 4);
  }
}
