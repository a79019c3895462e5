import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ReasoningPart,
  createReasoningSplitter,
  opensThinking,
  stripReasoning,
} from '../../src/chat/index.ts';

function feed(pieces: string[], startInThinking = false): ReasoningPart[] {
  const splitter = createReasoningSplitter({ startInThinking });
  const merged: ReasoningPart[] = [];
  for (const part of [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.flush()]) {
    expect(part.text).not.toBe('');
    const last = merged.at(-1);
    if (last?.kind === part.kind) last.text += part.text;
    else merged.push({ ...part });
  }
  return merged;
}

/** The definition: a regular expression over the whole text. */
function byRegex(text: string): ReasoningPart[] {
  const parts: ReasoningPart[] = [];
  const add = (kind: ReasoningPart['kind'], piece: string): void => {
    if (piece === '') return;
    const last = parts.at(-1);
    if (last?.kind === kind) last.text += piece;
    else parts.push({ kind, text: piece });
  };
  let end = 0;
  for (const match of text.matchAll(/<think>([\s\S]*?)(?:<\/think>|$)/g)) {
    add('answer', text.slice(end, match.index));
    add('thinking', match[1]!);
    end = match.index + match[0].length;
  }
  add('answer', text.slice(end));
  return parts;
}

const unit = fc.constantFrom('<think>', '</think>', '<', 'th', 'ink', '>', '/', 'a', '\n', '<thi');
const source = fc.array(unit, { maxLength: 20 }).map((units) => units.join(''));
const cuts = fc.array(fc.nat(100), { maxLength: 10 });

function cut(text: string, positions: number[]): string[] {
  const at = [0, ...positions.map((n) => n % (text.length + 1)).sort((a, b) => a - b), text.length];
  return at.slice(1).map((end, i) => text.slice(at[i], end));
}

describe('the splitter', () => {
  test('tells thinking from answer, tags across pieces', () => {
    const splitter = createReasoningSplitter();
    expect(splitter.push('<th')).toEqual([]);
    expect(splitter.push('ink>Hm')).toEqual([{ kind: 'thinking', text: 'Hm' }]);
    expect(splitter.thinking).toBe(true);
    expect(splitter.push('.</think')).toEqual([{ kind: 'thinking', text: '.' }]);
    expect(splitter.push('>Yes <')).toEqual([{ kind: 'answer', text: 'Yes ' }]);
    expect(splitter.flush()).toEqual([{ kind: 'answer', text: '<' }]);
  });
  test('can start inside', () => {
    expect(feed(['Hm.</think>', 'Yes'], true)).toEqual([
      { kind: 'thinking', text: 'Hm.' },
      { kind: 'answer', text: 'Yes' },
    ]);
  });
  test('equals the regular expression, wherever the pieces are cut', () => {
    fc.assert(
      fc.property(source, cuts, (text, positions) => {
        expect(feed(cut(text, positions))).toEqual(byRegex(text));
        expect(feed([...text])).toEqual(byRegex(text));
      }),
      { numRuns: 500 },
    );
  });
});

describe('stripReasoning', () => {
  test.each([
    ['<think>Hm.</think>\n\nYes', 'Yes'],
    ['<think></think>\r\nYes', 'Yes'],
    ['Yes', 'Yes'],
    ['\nA<think>x</think>B<think>y</think>\nC', '\nABC'],
    ['A<think>never closed', 'A'],
    ['stray </think> stays', 'stray </think> stays'],
  ])('%j becomes %j', (text, expected) => expect(stripReasoning(text)).toBe(expected));
  test('from inside a block', () => {
    expect(stripReasoning('Hm.</think>\nYes', { startInThinking: true })).toBe('Yes');
    expect(stripReasoning('Hm.', { startInThinking: true })).toBe('');
  });
  test('is the answer parts, but for line breaks', () => {
    fc.assert(
      fc.property(source, (text) => {
        const answer = feed([text]).filter(({ kind }) => kind === 'answer');
        const bare = (s: string): string => s.replaceAll('\n', '');
        expect(bare(stripReasoning(text))).toBe(bare(answer.map((part) => part.text).join('')));
      }),
    );
  });
});

test('opensThinking', () => {
  expect(opensThinking('<|assistant|><think>\n')).toBe(true);
  expect(opensThinking('<|assistant|>')).toBe(false);
  expect(opensThinking('<think>\n\n</think>\n\n')).toBe(false);
});
