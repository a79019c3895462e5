import { describe, expect, test } from 'vitest';
import type { LogitOptions, Model } from '../../../src/engine/types.ts';
import { NibbleError } from '../../../src/errors.ts';
import { parseChoiceItems, type ChoiceItem } from '../../../tools/perplexity/choice-items.ts';
import { multipleChoice, recovery, wilsonInterval } from '../../../tools/perplexity/multiple-choice.ts';
import { CHOICE_SETS, loadChoiceSet } from '../../../tools/perplexity/sets.ts';

/** A model over the letters a to d whose next letter depends on the last: p[last][next]. */
function letters(p: number[][]): Model {
  const width = 4;
  const model = {
    info: { vocabularySize: width, contextSize: 16 },
    tokenizer: { encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0) - 97) },
    // Two rows at a time: a batch ends within an ending.
    createSequence: () => ({ dispose: () => undefined }),
    async *logitBatches(ids: readonly number[], { from = 0 }: LogitOptions = {}) {
      for (let start = from; start < ids.length; start += 2) {
        const rows = ids.slice(start, start + 2).flatMap((id) => p[id]!.map(Math.log));
        yield await Promise.resolve({ start, rows: Float32Array.from(rows) });
      }
    },
  };
  return model as unknown as Model;
}

const EVEN = [0.25, 0.25, 0.25, 0.25];
const item = (context: string, endings: string[], label: number): ChoiceItem => ({
  ...{ context, endings, label, separator: '' },
});

describe('answers', () => {
  const model = letters([[0.1, 0.7, 0.1, 0.1], EVEN, [0.05, 0.05, 0.05, 0.85], EVEN]);

  test('the likeliest ending, by the mean and by the sum', async () => {
    // After a: b has 0.7. After c: d 0.85; dc means d then c: 0.85 * 0.25.
    const result = await multipleChoice(model, [
      item('a', ['a', 'b', 'c'], 1),
      item('bc', ['a', 'd'], 0),
      // Mean of ln 0.1 and ln 0.7 against ln 0.1: the longer is likelier by the mean only.
      item('a', ['ab', 'd'], 0),
    ]);
    expect(result.answers).toEqual([1, 1, 0]);
    expect(result).toMatchObject({ items: 3, correct: 2, evaluated: 3 + (1 + 2) + 3 });
    expect(result.accuracy).toBeCloseTo(66.667, 2);
    expect(result.accuracyBySum).toBeCloseTo(33.333, 2);
    expect(result.chance).toBeCloseTo((100 * (1 / 3 + 1 / 2 + 1 / 2)) / 3, 6);
  });

  test('what all endings begin with does not count', async () => {
    // Of "aab" and "aad" after a, only the last letters differ: 0.7 against 0.1.
    const { answers } = await multipleChoice(model, [item('a', ['aad', 'aab'], 1)]);
    expect(answers).toEqual([1]);
  });

  test('a model that gives NaN answers nothing right', async () => {
    const broken = letters([[NaN, NaN, NaN, NaN], EVEN, EVEN, EVEN]);
    expect((await multipleChoice(broken, [item('a', ['b', 'c'], 0)])).correct).toBe(0);
  });

  test('an item beyond the context is refused', async () => {
    const long = item('a'.repeat(16), ['b', 'c'], 0);
    await expect(multipleChoice(model, [long])).rejects.toThrow(/17 tokens, the context 16/);
  });

  test('what is left of a base', async () => {
    const items = [item('a', ['b', 'c'], 0), item('b', ['a', 'c'], 1), item('a', ['c', 'b'], 1)];
    const base = await multipleChoice(model, items);
    const worse = await multipleChoice(letters([[0.1, 0.1, 0.7, 0.1], EVEN, EVEN, EVEN]), items);
    expect([base.correct, worse.correct]).toEqual([2, 0]);
    expect(recovery(worse, base)).toEqual({ recovered: 0, sameAnswer: 100 / 3 });
    expect(recovery(base, base)).toEqual({ recovered: 100, sameAnswer: 100 });
  });
});

test("Wilson's interval", () => {
  // 8 of 10: 0.4901 to 0.9433 in the tables.
  expect(wilsonInterval(8, 10).map((bound) => bound.toFixed(2))).toEqual(['49.02', '94.33']);
  expect(wilsonInterval(0, 5)[0]).toBe(0);
  expect(wilsonInterval(5, 5)[1]).toBe(100);
});

describe('files', () => {
  test("HellaSwag's and other names for the same", () => {
    const text =
      '{"ctx": "He", "endings": ["a", "b"], "label": "1", "ind": 4}\n\n' +
      '{"prompt": "x =", "completions": [" 1", " 2"], "answer": 0, "separator": ""}\n';
    expect(parseChoiceItems(text, 'f')).toEqual([
      { context: 'He', endings: ['a', 'b'], label: 1, separator: ' ' },
      { context: 'x =', endings: [' 1', ' 2'], label: 0, separator: '' },
    ]);
  });

  test.each([
    ['', /f holds no questions/],
    ['{', /f, line 1 is not valid JSON/],
    ['7', /f, line 1 is not a JSON object/],
    ['{"endings": ["a", "b"], "label": 0}', /no text under ctx/],
    ['{"ctx": "a", "endings": ["a"], "label": 0}', /no list of two texts/],
    ['{"ctx": "a", "endings": ["a", ""], "label": 0}', /no list of two texts/],
    ['{"ctx": "a", "endings": ["a", "b"], "label": 2}', /no index of one of the 2 endings/],
    ['{"ctx": "a", "endings": ["a", "b"]}', /no index/],
    ['{"ctx": "a", "endings": ["a", "b"], "label": 0, "separator": 1}', /separator/],
  ])('%j is refused', (text, message) => {
    expect(() => parseChoiceItems(text, 'f')).toThrow(NibbleError);
    expect(() => parseChoiceItems(text, 'f')).toThrow(message);
  });

  test.each([...CHOICE_SETS.keys()])(
    'the set %s: as many items as it says, right answers at every place',
    async (name) => {
      const items = await loadChoiceSet(name);
      expect(items).toHaveLength(Number(/(\d+) items/.exec(CHOICE_SETS.get(name)!)![1]));
      expect(new Set(items.map(({ label }) => label))).toEqual(new Set([0, 1, 2, 3]));
      for (const { endings } of items) expect(new Set(endings).size).toBe(4);
      expect(new Set(items.map(({ context }) => context)).size).toBe(items.length);
    },
  );
});
