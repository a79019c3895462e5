/**
 * Scores in place of merges. SentencePiece's BPE ranks each token by a score and merges any two neighbours that make
 * a token; `tokenizer.json` lists merges instead, those of one token in a row, made from the scores in this way.
 * So the way back is the rank of a token's first merge, negated.
 */
import type { AddedToken } from './tokenizer-json.ts';

export interface MergeScores {
  scores: Map<string, number>;
  /** Tokens for which scores cannot say what the merges say: lists that SentencePiece did not make. */
  differing: number;
}

export function scoresOfMerges(
  tokens: ReadonlySet<string>,
  merges: readonly (readonly [string, string])[],
  added: readonly AddedToken[],
): MergeScores {
  const scores = new Map<string, number>();
  const listed = new Map<string, Set<number>>();
  const differing = new Set<string>();
  let last = '';
  merges.forEach(([left, right], rank) => {
    const made = left + right;
    if (!scores.has(made)) scores.set(made, -rank);
    else if (last !== made) differing.add(made);
    last = made;
    let cuts = listed.get(made);
    if (cuts === undefined) listed.set(made, (cuts = new Set()));
    cuts.add(left.length);
  });
  // Tokens that no merge makes are never the result of one: characters, bytes, special tokens.
  const apart = new Set(added.map(({ text }) => text));
  for (const token of tokens) {
    if (apart.has(token)) continue;
    if (!scores.has(token)) scores.set(token, -merges.length - 1);
    for (let at = 1; at < token.length; at++) {
      if (listed.get(token)?.has(at)) continue;
      if (tokens.has(token.slice(0, at)) && tokens.has(token.slice(at))) differing.add(token);
    }
  }
  return { scores, differing: differing.size };
}
