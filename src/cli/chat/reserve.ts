/** Positions kept free for an answer: as many as it may take, at most a quarter of the context. */
export function chooseReserve(contextSize: number, maxTokens: number | undefined): number {
  return Math.min(maxTokens ?? Infinity, Math.floor(contextSize / 4));
}
