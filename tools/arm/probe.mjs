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
const BYTES = Buffer.from(
  [
    '0061736d 01000000', // magic, version
    '01 05 01 60 01 7f 00', // type 0: (i32) -> ()
    '02 10 01 03 656e76 06 6d656d6f7279 02 03 01 02', // import env.memory: shared, 1 to 2 pages
    '03 02 01 00', // one function of type 0
    '07 0a 01 06 737175617265 00 00', // export "square"
    '0a 19 01 17 00 2000', // its code, no locals: local.get 0
    '2000 fd000400 2000 fd000400', // local.get 0, v128.load, twice
    'fdba01 fd0b0400 0b', // i32x4.dot_i16x8_s, v128.store, end
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
);

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
