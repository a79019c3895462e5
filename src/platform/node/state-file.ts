/** State files on disk: written beside the target and renamed when whole. */
import type { Model, Sequence } from '../../engine/types.ts';
import { GgufError, StateError } from '../../errors.ts';
import { fileSink } from './file-sink.ts';
import { fileSource } from './file-source.ts';

/** Files are opened by code made for models: the same failure, said of a state. */
function asStateError(error: unknown): unknown {
  if (!(error instanceof GgufError)) return error;
  return new StateError(error.message.replace('a GGUF file', 'a saved state'), { cause: error });
}

async function opened<T>(file: Promise<T>): Promise<T> {
  try {
    return await file;
  } catch (error) {
    throw asStateError(error);
  }
}

/**
 * Saves what `sequence` holds to a file. What stood there stays until the new one is whole.
 *
 * @param options.extra JSON to be returned by loadState
 * @throws StateError when the file cannot be written
 */
export async function saveState(
  model: Model,
  sequence: Sequence,
  path: string,
  options: { extra?: unknown; signal?: AbortSignal } = {},
): Promise<void> {
  const sink = await opened(fileSink(path));
  try {
    await model.saveState(sequence, sink, options);
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw asStateError(error);
  }
}

/**
 * Brings `sequence` back from a file of saveState; returns what was kept with it.
 *
 * @throws StateError for a file that is not there, damaged, of another model or of another type of cache
 */
export async function loadState(
  model: Model,
  sequence: Sequence,
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<unknown> {
  const source = await opened(fileSource(path));
  try {
    return await model.loadState(sequence, source, options);
  } finally {
    await source.close();
  }
}
