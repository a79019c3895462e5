// A race in which dot4 never comes to an end.
import { writeSync } from 'node:fs';

const { variants } = JSON.parse(process.argv[2]);
if (variants.includes('dot4')) {
  writeSync(1, '{"event":"turn","variant":"dot4"}\n');
  setInterval(() => undefined, 1000);
} else {
  await import('./made-up.mjs');
}
