/** Model files too large for the repository. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolveModel } from '../../src/models/index.ts';

/**
 * The file that the environment variable names, or what the model store has (nothing is downloaded); or why the
 * tests are skipped.
 */
export async function findModel(
  variable: string,
  spec: string,
  sha256: string,
): Promise<{ path: string } | { missing: string }> {
  let path = process.env[variable];
  try {
    path ??= (await resolveModel(spec, { offline: true, onNotice: () => undefined })).paths[0]!;
  } catch {
    return { missing: `${variable} is not set and the model store does not have ${spec}` };
  }
  const found = createHash('sha256').update(readFileSync(path)).digest('hex');
  return found === sha256 ? { path } : { missing: `${path} is another file (sha256 ${found})` };
}
