/** Stage 09's score: percent above the engine's own speed. */
export function scoreAgainst(gops: number, opponentGops: number): number {
  return 100 * (gops / opponentGops - 1);
}

/** `+3 %`, `-12 %`. */
export function scoreText(score: number): string {
  return `${score < 0 ? '-' : '+'}${Math.abs(score).toFixed(0)} %`;
}
