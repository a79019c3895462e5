/** Names that look like a mistyped one. */
export function nearNames(text: string, names: readonly string[], limit = 3): string[] {
  const wanted = text.toLowerCase();
  return names
    .map((name) => {
      const part = wanted.length >= 3 && (name.includes(wanted) || wanted.includes(name));
      return { name, distance: part ? 0.5 : editDistance(wanted, name) };
    })
    .filter(({ name, distance }) => distance <= Math.max(2, name.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ name }) => name);
}

/** Levenshtein's, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
