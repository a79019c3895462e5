/** The last resort: the tiny model inside the package, so that the first start always answers something. */
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PACKAGE_ROOT } from '../platform/node/package-root.ts';
import { DEFAULT_MODEL } from './list.ts';
import type { ResolvedModel } from './types.ts';

const FILE = new URL('models/tiny-chat/tiny-chat.Q8_0.gguf', PACKAGE_ROOT);

/** The embedded model; undefined in an installation that left it out. */
export async function embeddedModel(): Promise<ResolvedModel | undefined> {
  const path = fileURLToPath(FILE);
  const bytes = await stat(path).then(
    (status) => status.size,
    () => undefined,
  );
  if (bytes === undefined) return undefined;
  return { paths: [path], name: 'tiny-chat', quantization: 'Q8_0', source: 'embedded', bytes };
}

/** What the user is told: what happened (the error's text), what this model is, how to get the real one. */
export function embeddedNotice(reason: string): string[] {
  return [
    reason,
    'using the tiny model inside the package instead: a toy of 2 million parameters that tells little stories',
    `for a real model run: nibble pull ${DEFAULT_MODEL} (with network), or give the path of a GGUF file`,
  ];
}
