import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { createStopMatcher } from '../../src/engine/stop-strings.ts';

function feed(stops: string[], pieces: string[]): { text: string; stopped: string | undefined } {
  const matcher = createStopMatcher(stops);
  const shown = pieces.map((piece) => matcher.push(piece)).join('');
  return { text: shown + matcher.flush(), stopped: matcher.stopped };
}

/** A small alphabet, so that stop strings occur, overlap and nearly occur. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '😀'), maxLength: 30 });
const stops = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', '\n', '😀'), minLength: 1, maxLength: 4 }),
  {
    maxLength: 4,
  },
);
const pieces = fc.array(text, { maxLength: 8 });

describe('stop strings', () => {
  test('one that spans pieces ends the text before it', () => {
    const matcher = createStopMatcher(['</s>', 'User:']);
    expect(matcher.push('Hello <')).toBe('Hello ');
    expect(matcher.held).toBe('<');
    expect(matcher.push('/b> Us')).toBe('</b> ');
    expect(matcher.push('er')).toBe('');
    expect(matcher.push(': what')).toBe('');
    expect(matcher.stopped).toBe('User:');
    expect(matcher.push('more')).toBe('');
    expect(matcher.flush()).toBe('');
  });
  test('a beginning that comes to nothing is shown in the end', () => {
    expect(feed(['abc'], ['xa', 'b'])).toEqual({ text: 'xab', stopped: undefined });
  });
  test.each([[['b', 'ab']], [['ab', 'b']]])('of those that end together the longest wins: %j', (list) => {
    expect(feed(list, ['xa', 'b'])).toEqual({ text: 'x', stopped: 'ab' });
  });
  test('the one that is complete first wins', () => {
    expect(feed(['abcd', 'bc'], ['abcd'])).toEqual({ text: 'a', stopped: 'bc' });
  });
  test('without stop strings nothing is held back', () => {
    expect(createStopMatcher([]).push('anything')).toBe('anything');
  });
  test('an empty one is refused', () => {
    expect(() => createStopMatcher(['a', ''])).toThrow(UsageError);
  });

  test('shown and held text is the input, until a stop', () => {
    fc.assert(
      fc.property(stops, pieces, (list, parts) => {
        const matcher = createStopMatcher(list);
        let shown = '';
        let input = '';
        for (const part of parts) {
          shown += matcher.push(part);
          input += part;
          if (matcher.stopped === undefined) expect(shown + matcher.held).toBe(input);
          else expect(input.startsWith(shown + matcher.stopped)).toBe(true);
          for (const stop of list) expect(shown).not.toContain(stop);
          expect(matcher.held.length).toBeLessThan(Math.max(1, ...list.map((stop) => stop.length)));
        }
      }),
    );
  });
  test('where the pieces are cut changes nothing', () => {
    fc.assert(
      fc.property(stops, pieces, (list, parts) => {
        const whole = parts.join('');
        expect(feed(list, parts)).toEqual(feed(list, [whole]));
        expect(feed(list, [...whole])).toEqual(feed(list, [whole]));
      }),
    );
  });
});
