/** --save-state and --load-state of `generate`: a text that is continued by another run. */
import type { Model, Sequence } from '../engine/types.ts';
import { StateError } from '../errors.ts';

export interface TextState {
  sequence: Sequence | undefined;
  /** The text so far; its last token may not be in the sequence yet. */
  ids: readonly number[];
  /** There was a text to go on with. */
  resumed: boolean;
  /** Saves the whole text, where that was asked for. */
  save(ids: readonly number[]): Promise<void>;
}

/** @throws StateError for a file that cannot be read, or is not of this model */
export async function openTextState(
  model: Model,
  { saveState: target, loadState: source }: { saveState?: string; loadState?: string },
  signal: AbortSignal,
): Promise<TextState> {
  if (target === undefined && source === undefined) {
    return { sequence: undefined, ids: [], resumed: false, save: () => Promise.resolve() };
  }
  const { loadState, saveState } = await import('../index.ts');
  const sequence = model.createSequence();
  let ids: readonly number[] = [];
  if (source !== undefined) {
    const extra = await loadState(model, sequence, source, { signal });
    ids = textOf(extra, model.info.vocabularySize, source) ?? sequence.tokens.slice();
  }
  return {
    sequence,
    ids,
    resumed: source !== undefined,
    // Also after an interruption, which has aborted the signal.
    save: async (all) => {
      if (target !== undefined) await saveState(model, sequence, target, { extra: { ids: all } });
    },
  };
}

/** What `save` kept; undefined in a file that a chat has saved. */
function textOf(extra: unknown, vocabulary: number, name: string): number[] | undefined {
  const ids = (extra as { ids?: unknown } | null | undefined)?.ids;
  if (ids === undefined) return undefined;
  const good = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary;
  if (!Array.isArray(ids) || !ids.every(good))
    throw new StateError(`${name}: is damaged (its text is not token ids)`);
  return ids;
}
