/** Prompt lookup and how many tokens are proposed, on made-up texts. */
import { describe, expect, test } from 'vitest';
import { AcceptanceRate, bestLength } from '../../src/engine/speculation/length.ts';
import { LookupDrafter } from '../../src/engine/speculation/lookup.ts';

const propose = (history: number[], most = 4, drafter = new LookupDrafter()): number[] =>
  drafter.propose({ history, visible: () => history, most }).ids;

describe('lookup', () => {
  test('proposes what followed the last tokens before', () => {
    expect(propose([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4], 3)).toEqual([5, 6, 7]);
  });
  test('the longest match wins, the latest of equals', () => {
    expect(propose([1, 2, 3, 50, 60, 0, 2, 3, 70, 80, 0, 1, 2, 3], 1)).toEqual([50]);
    expect(propose([1, 2, 3, 50, 0, 1, 2, 3, 70, 80, 0, 1, 2, 3], 1)).toEqual([70]);
  });
  test('a phrase that repeats goes on repeating', () => {
    const history = Array.from({ length: 40 }, (_, i) => i % 2);
    expect(propose(history, 8)).toEqual([0, 1, 0, 1, 0, 1, 0, 1].slice(0, propose(history, 8).length));
    expect(propose(history, 8).length).toBeGreaterThan(4);
  });
  test('nothing where nothing stood before, in short texts, and for a single token in common', () => {
    for (const history of [[], [1], [1, 2], [1, 2, 3, 4], [1, 2, 9, 3, 2]])
      expect(propose(history)).toEqual([]);
  });
  test('a text that grows is found again, whatever its ids', () => {
    const drafter = new LookupDrafter();
    const big = 262143;
    const history: number[] = [];
    for (const id of [big, 7, big - 1, 3]) {
      history.push(id);
      expect(propose(history, 2, drafter)).toEqual([]);
    }
    history.push(big, 7);
    expect(propose(history, 1, drafter)).toEqual([big - 1]);
  });
  test('what is always wrong is proposed less and less', () => {
    const drafter = new LookupDrafter();
    const history: number[] = [];
    let proposals = 0;
    for (let i = 0; i < 400; i++) {
      // The pair 1, 2 again and again, each time followed by something new.
      history.push(1, 2);
      if (propose(history, 8, drafter).length > 0) {
        drafter.learn(0);
        proposals++;
      }
      history.push(1000 + i);
    }
    expect(proposals).toBeGreaterThan(10);
    expect(proposals).toBeLessThan(80);
  });
});

describe('length', () => {
  test('more with a higher rate, none where it does not pay, never too many', () => {
    const lengths = [0.1, 0.4, 0.6, 0.8, 0.9, 0.97, 0.995].map((rate) => bestLength(rate, 64));
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    expect(lengths[0]).toBe(0);
    expect(lengths.at(-1)).toBeGreaterThan(16);
    expect(bestLength(0.995, 5)).toBe(5);
    expect(bestLength(0.995, 0)).toBe(0);
    expect(bestLength(0.9, 32, 1)).toBeLessThan(bestLength(0.9, 32, 0.1));
  });
  test('a rate follows what happens, and never says never', () => {
    const rate = new AcceptanceRate(0.5);
    for (let i = 0; i < 200; i++) rate.learn(4, 4);
    expect(rate.value).toBeGreaterThan(0.98);
    for (let i = 0; i < 200; i++) rate.learn(4, 0);
    expect(rate.value).toBeCloseTo(0.05);
    // Of four proposals with one accepted, two were judged: one right, one wrong. What is expected counts as four more.
    const once = new AcceptanceRate(0.8);
    once.learn(4, 1);
    expect(once.value).toBeCloseTo((4 * 0.8 + 1) / 6);
  });
});
