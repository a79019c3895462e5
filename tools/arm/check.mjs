/**
 * `npm run test:arm` on any system: runs check.sh where there is a shell to run it, and says so where there is not.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('check.sh', import.meta.url));
/** check.sh's own exit code for "cannot be done here". */
const SKIPPED = 77;

if (process.platform !== 'linux') {
  console.log('SKIPPED: emulated ARM64 needs Linux');
} else {
  const { status, error } = spawnSync('bash', [script, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (error) console.log(`SKIPPED: ${error.message}`);
  else if (status !== SKIPPED) process.exitCode = status ?? 1;
}
