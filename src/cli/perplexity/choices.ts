/** `nibble perplexity --multiple-choice`: a set of questions, and how much of a base model's accuracy is left. */
import { parseChoiceItems, type ChoiceItem } from '../../../tools/perplexity/choice-items.ts';
import { multipleChoice, recovery, type ChoiceResult } from '../../../tools/perplexity/multiple-choice.ts';
import { CHOICE_SETS, loadChoiceSet } from '../../../tools/perplexity/sets.ts';
import { NibbleError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { readText } from '../input.ts';
import { withModel } from '../open-model.ts';
import type { RunFlags } from '../options.ts';
import { choiceText } from './report.ts';

export interface ChoiceFlags extends RunFlags {
  json?: boolean;
  tasks?: number;
  baseModel?: string;
}

/** @param set a name of CHOICE_SETS or a file */
export async function runChoices(context: CliContext, flags: ChoiceFlags, set: string): Promise<void> {
  const all = CHOICE_SETS.has(set) ? await loadChoiceSet(set) : parseChoiceItems(await readSet(set), set);
  const items = all.slice(0, flags.tasks);
  const { baseModel } = flags;
  const other = { ...flags, model: baseModel, format: undefined, profile: false };
  const base = baseModel === undefined ? undefined : await score(context, other, items);
  const result = await score(context, flags, items);
  const compared = base && { model: baseModel!, accuracy: base.accuracy, ...recovery(result, base) };
  if (flags.json) context.json({ set, ...result, base: compared });
  else context.print(choiceText(set, result, compared));
}

async function readSet(path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    const names = [...CHOICE_SETS.keys()].join(', ');
    throw new NibbleError(error.code, `${error.message} (sets that come with nibble: ${names})`, {
      cause: error,
    });
  }
}

function score(context: CliContext, flags: ChoiceFlags, items: readonly ChoiceItem[]): Promise<ChoiceResult> {
  return withModel(context, flags, ({ model }) =>
    multipleChoice(model, items, {
      signal: context.signal,
      onItem: (done, correct) => {
        if (!flags.json && done % 10 === 0) {
          context.log(`[${done}/${items.length}] ${((100 * correct) / done).toFixed(1)} %`);
        }
      },
    }),
  );
}
