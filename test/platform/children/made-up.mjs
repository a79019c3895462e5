// A race with made-up figures; dot4 fails.
import { writeSync } from 'node:fs';

const say = (event) => writeSync(1, `${JSON.stringify(event)}\n`);
const { variants } = JSON.parse(process.argv[2]);
process.stdout.write('a line that is no event\n42\nnull\n{"event":"timed","variant":"dot8"}\n');
for (const variant of variants) {
  say({ event: 'turn', variant });
  if (variant === 'dot4') say({ event: 'failed', variant, reason: 'GEMV: 1 instead of 2' });
  else say({ event: 'timed', variant, gmacs: { gemv: variant === 'dot2' ? 8 : 4, gemm: 4 } });
}
say({ event: 'done', milliseconds: 1 });
