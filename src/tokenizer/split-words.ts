/** Calls `word` for each piece of `text`, in order. */
export function splitWords(text: string, steps: readonly RegExp[], word: (piece: string) => void): void {
  let pieces: readonly string[] = [text];
  for (const step of steps.slice(0, -1)) {
    const finer: string[] = [];
    for (const piece of pieces) splitOnce(piece, step, (part) => finer.push(part));
    pieces = finer;
  }
  const last = steps.at(-1);
  for (const piece of pieces) {
    if (last === undefined) word(piece);
    else splitOnce(piece, last, word);
  }
}

function splitOnce(text: string, step: RegExp, word: (piece: string) => void): void {
  let end = 0;
  step.lastIndex = 0;
  for (let match = step.exec(text); match !== null; match = step.exec(text)) {
    const start = match.index;
    if (start > end) word(text.slice(end, start));
    word(match[0]);
    end = start + match[0].length;
  }
  if (end < text.length) word(text.slice(end));
}
