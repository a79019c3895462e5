/**
 * Multiple-choice scoring as llama-perplexity scores HellaSwag: each ending is appended to the context, and the one
 * whose tokens are the likeliest, by the mean of their log probabilities (`acc_norm`), is the model's answer. The
 * tokens that all endings begin with count for none, and are computed once. Also by the sum (`acc`), which favours short endings.
 */
import { ContextOverflowError } from '../../src/errors.ts';
import type { Model } from '../../src/engine/types.ts';
import type { ChoiceItem } from './choice-items.ts';
import { scoreRow } from './score.ts';

export interface ChoiceOptions {
  signal?: AbortSignal;
  /** After each item: how many are done and how many of these are right. */
  onItem?: (done: number, correct: number) => void;
}

export interface ChoiceResult {
  items: number;
  correct: number;
  /** Percent right, with the 95 % interval (Wilson's) and what guessing gives. */
  accuracy: number;
  interval: [low: number, high: number];
  chance: number;
  /** Percent right if the sum of log probabilities decides. */
  accuracyBySum: number;
  /** The index chosen for each item. */
  answers: number[];
  evaluated: number;
  seconds: number;
  tokensPerSecond: number;
}

/** Throws ContextOverflowError for an item longer than the context, AbortedError when the signal stops it. */
export async function multipleChoice(
  model: Model,
  items: readonly ChoiceItem[],
  { signal, onItem }: ChoiceOptions = {},
): Promise<ChoiceResult> {
  const answers: number[] = [];
  let correct = 0;
  let correctBySum = 0;
  let chance = 0;
  let evaluated = 0;
  const started = performance.now();
  for (const item of items) {
    const tokens = tokenize(model, item);
    const shared = commonLength(tokens);
    const sums = await logProbabilities(model, tokens, shared, signal);
    evaluated += tokens.reduce((sum, ids) => sum + ids.length - shared, shared - 1);
    const answer = largest(sums.map((sum, i) => sum / Math.max(1, tokens[i]!.length - shared)));
    answers.push(answer);
    if (answer === item.label) correct++;
    if (largest(sums) === item.label) correctBySum++;
    chance += 1 / item.endings.length;
    onItem?.(answers.length, correct);
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    items: items.length,
    correct,
    accuracy: (100 * correct) / items.length,
    interval: wilsonInterval(correct, items.length),
    chance: (100 * chance) / items.length,
    accuracyBySum: (100 * correctBySum) / items.length,
    answers,
    evaluated,
    seconds,
    tokensPerSecond: evaluated / seconds,
  };
}

/** How much of a base model's accuracy is left. */
export interface Recovery {
  /** Accuracy in percent of the base's; NaN where the base has none right. */
  recovered: number;
  /** Percent of the items to which both give the same answer. */
  sameAnswer: number;
}

export function recovery(result: ChoiceResult, base: ChoiceResult): Recovery {
  const same = result.answers.filter((answer, i) => answer === base.answers[i]).length;
  return {
    recovered: base.correct > 0 ? (100 * result.correct) / base.correct : NaN,
    sameAnswer: (100 * same) / result.answers.length,
  };
}

function tokenize({ tokenizer, info }: Model, item: ChoiceItem): number[][] {
  return item.endings.map((ending) => {
    const ids = tokenizer.encode(item.context + item.separator + ending);
    if (ids.length > info.contextSize) {
      throw new ContextOverflowError(
        `an item has ${ids.length} tokens, the context ${info.contextSize}: give --ctx-size ${ids.length}`,
      );
    }
    return ids;
  });
}

/** How many tokens all have in common at the start: at least one, which none is scored by. */
function commonLength(tokens: readonly number[][]): number {
  const [first] = tokens;
  let length = 0;
  while (first![length] !== undefined && tokens.every((ids) => ids[length] === first![length])) length++;
  return Math.max(1, length);
}

/** ln p of each text's tokens from `shared` on, given those before, which all have in common. */
async function logProbabilities(
  model: Model,
  texts: readonly (readonly number[])[],
  shared: number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const width = model.info.vocabularySize;
  const sequence = model.createSequence();
  const sums: number[] = [];
  try {
    for (const ids of texts) {
      let sum = 0;
      // The last token predicts none; the row before the first that is scored does.
      const options = { sequence, from: shared - 1, signal };
      for await (const { start, rows } of ids.length > shared
        ? model.logitBatches(ids.slice(0, -1), options)
        : []) {
        for (let at = 0; at * width < rows.length; at++) {
          const logits = rows.subarray(at * width, (at + 1) * width);
          sum -= scoreRow(logits, ids[start + at + 1]!).nll;
        }
      }
      sums.push(sum);
    }
  } finally {
    sequence.dispose();
  }
  return sums;
}

function largest(values: readonly number[]): number {
  return values.indexOf(values.reduce((best, value) => (value > best ? value : best), -Infinity));
}

/** The 95 % confidence interval of a share, in percent (Wilson 1927): sound for few items, too. */
export function wilsonInterval(correct: number, items: number): [number, number] {
  const z = 1.959964;
  const share = correct / items;
  const middle = share + (z * z) / (2 * items);
  const half = z * Math.sqrt((share * (1 - share)) / items + (z * z) / (4 * items * items));
  const scale = 100 / (1 + (z * z) / items);
  return [Math.max(0, (middle - half) * scale), Math.min(100, (middle + half) * scale)];
}
