/**
 * The `gguf` package's typed metadata, as a second view of a file that our own reader has validated. It knows
 * few architectures and reads in whole chunks of 10 MB, which it does not find in a small file.
 */
import { stat } from 'node:fs/promises';

export type TypedView = { metadata: unknown; reason?: undefined } | { metadata?: undefined; reason: string };

const CHUNK = 10 * 1024 * 1024;

export async function typedView(path: string, architecture: string | undefined): Promise<TypedView> {
  if (/^https?:/i.test(path)) return { reason: 'it reads local files only' };
  if ((await stat(path)).size < CHUNK) return { reason: 'it reads files of 10 MB and more' };
  try {
    // A CommonJS package: its default export is a property of the module's.
    const { default: module } = (await import('gguf')) as unknown as { default: GgufModule };
    const { metadata, error } = await module.default(path);
    if (error || !metadata) return { reason: unsupported(architecture, error) };
    return { metadata };
  } catch (error) {
    return { reason: unsupported(architecture, error) };
  }
}

interface GgufModule {
  default: (path: string) => Promise<{ metadata?: Record<string, unknown>; error?: Error }>;
}

function unsupported(architecture: string | undefined, error: unknown): string {
  const first = error instanceof Error ? error.message.split('\n')[0]!.slice(0, 120) : 'no answer';
  return `it does not take this ${architecture ?? 'file'} file (${first})`;
}
