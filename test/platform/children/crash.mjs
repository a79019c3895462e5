// A race in which dot2's turn kills the process, the first time; afterwards the real thing.
import { writeSync } from 'node:fs';

const job = JSON.parse(process.argv[2]);
if (job.variants.includes('dot2')) {
  const say = (event) => writeSync(1, `${JSON.stringify(event)}\n`);
  say({ event: 'turn', variant: 'simd' });
  say({ event: 'timed', variant: 'simd', gmacs: { gemv: 1e6, gemm: 1e6 } }); // must be kept
  say({ event: 'turn', variant: 'dot2' });
  process.kill(process.pid, 'SIGSEGV');
  setInterval(() => undefined, 1000); // until the signal arrives
} else {
  await import('../../../dist/src/platform/node/race-child.js');
}
