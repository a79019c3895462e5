/** The file that `nibble inspect` looks into: a path, a stored model, or a URL of which only the beginning is fetched. */
import { UsageError } from '../../errors.ts';
import { closeGguf, httpSource, openGguf, type GgufFile } from '../../gguf/index.ts';
import { resolveModel } from '../../models/index.ts';
import { fileSource } from '../../platform/node/file-source.ts';
import type { CliContext } from '../context.ts';
import type { InspectFlags } from './flags.ts';

/** @throws UsageError for a URL with --offline */
export async function withFile(
  context: CliContext,
  what: string,
  flags: InspectFlags,
  look: (file: GgufFile, path: string) => Promise<void>,
): Promise<void> {
  const remote = /^https?:\/\//i.test(what);
  if (remote && flags.offline) throw new UsageError(`${what} cannot be had with --offline`);
  const path = remote ? what : await pathOf(context, what, flags);
  const open = remote
    ? (url: string) => httpSource(url, { signal: context.signal })
    : (name: string) => fileSource(name);
  const file = await openGguf(path, open, { signal: context.signal });
  try {
    await look(file, path);
  } finally {
    await closeGguf(file);
  }
}

/** A name of the list is looked up in the store; nothing is fetched in order to be looked at. */
async function pathOf(context: CliContext, what: string, flags: InspectFlags): Promise<string> {
  const { paths } = await resolveModel(what, {
    offline: true,
    format: flags.format,
    onNotice: context.notice,
    signal: context.signal,
  });
  return paths[0]!;
}
