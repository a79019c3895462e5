// The emulated Node itself, before anything of nibble: a SIMD kernel in WebAssembly, run by two worker
// threads over one shared memory, and a child process. Fails loudly if any of these does not work.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

// (module (memory (import "env" "memory") 1 2 shared)
//   (func (export "square") (param $at i32)           ;; eight i16 at $at -> four i32 sums of pairs of squares
//     (v128.store (local.get $at)
//       (i32x4.dot_i16x8_s (v128.load (local.get $at)) (v128.load (local.get $at))))))
const BYTES = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x01, 0x7f, 0x00], // type: (i32) -> ()
  ...[0x02, 0x10, 0x01, 0x03, 0x65, 0x6e, 0x76, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x03, 0x01, 0x02],
  ...[0x03, 0x02, 0x01, 0x00], // one function of type 0
  ...[0x07, 0x0a, 0x01, 0x06, 0x73, 0x71, 0x75, 0x61, 0x72, 0x65, 0x00, 0x00], // export "square"
  ...[0x0a, 0x19, 0x01, 0x17, 0x00, 0x20, 0x00], // code; local.get 0
  ...[0x20, 0x00, 0xfd, 0x00, 0x04, 0x00, 0x20, 0x00, 0xfd, 0x00, 0x04, 0x00], // two v128.load
  ...[0xfd, 0xba, 0x01, 0xfd, 0x0b, 0x04, 0x00, 0x0b], // i32x4.dot_i16x8_s, v128.store, end
]);

if (process.send) {
  process.send(`${process.arch} ${process.version}`);
} else if (!isMainThread) {
  const { module, memory, at } = workerData;
  new WebAssembly.Instance(module, { env: { memory } }).exports.square(at);
  parentPort.postMessage('done');
} else {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
  const module = new WebAssembly.Module(BYTES);
  new Int16Array(memory.buffer).set([1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, -5, -6, -7, -8]);
  const ends = [0, 16].map((at) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { module, memory, at } });
    return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  });
  assert.deepEqual(await Promise.all(ends), [0, 0]);
  assert.deepEqual([...new Int32Array(memory.buffer, 0, 8)], [5, 25, 61, 113, 5, 25, 61, 113]);

  const child = fork(fileURLToPath(import.meta.url));
  const answer = await new Promise((resolve, reject) => child.once('message', resolve).once('error', reject));
  assert.equal(answer, `${process.arch} ${process.version}`);
  console.log(`${answer}: SIMD, two threads over shared memory and a child process work`);
}
