/** Checks of whole distributions against llama.cpp's, shared by the fixture test and the oracle test. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type ChainStep, chainProbabilities } from '../../src/engine/sampling/chain.ts';

interface Case {
  logits: string;
  chain: ChainStep[];
  history: number[];
  probs_offset: number;
}

interface Cases {
  logits_sets: Record<string, { offset: number; n: number }>;
  cases: Case[];
}

function floats(path: string): Float32Array {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** One test per sampler combination: every case of `directory` within 1e-5. */
export function testCases(directory: string): void {
  const { logits_sets: sets, cases } = JSON.parse(readFileSync(`${directory}/cases.json`, 'utf8')) as Cases;
  const allLogits = floats(`${directory}/logits.f32.bin`);
  const allProbs = floats(`${directory}/probs.f32.bin`);
  const groups = new Map<string, Case[]>();
  for (const each of cases) {
    const name = each.chain.map((step) => step.type).join(' > ') || 'no sampler';
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  for (const [name, group] of groups) {
    test(`${name}: ${group.length} distributions`, () => {
      for (const { logits: set, chain, history, probs_offset } of group) {
        const { offset, n } = sets[set]!;
        const logits = allLogits.slice(offset, offset + n);
        const untouched = logits.slice();
        const actual = chainProbabilities(logits, chain, history);
        const expected = allProbs.slice(probs_offset, probs_offset + n);
        expect(logits).toEqual(untouched);
        // Which of several equal logits survives a truncation is not defined.
        const [a, b] = set === 'ties' ? [actual.sort(), expected.sort()] : [actual, expected];
        let worst = 0;
        for (let i = 0; i < n; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
        expect(worst, `${set}: ${JSON.stringify(chain)}`).toBeLessThanOrEqual(1e-5);
        const count = (probs: Float32Array): number => probs.filter((p) => p > 0).length;
        if (set !== 'ties') expect(count(a), `${set}: ${JSON.stringify(chain)} kept`).toBe(count(b));
      }
    });
  }
}
