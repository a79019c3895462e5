// @ts-check
/** Tables and figures as all benchmarks print them. */

/** Three significant digits, without exponents. @param {number} value */
export function figure(value) {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/**
 * Markdown, aligned so that it can be read in a terminal.
 *
 * @param {readonly string[]} head
 * @param {readonly string[][]} rows
 * @param {readonly number[]} texts columns that are aligned to the left; the others hold figures
 */
export function markdown(head, rows, texts) {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  /** @param {string} text @param {number} i */
  const pad = (text, i) => (texts.includes(i) ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0));
  /** @param {readonly string[]} cells */
  const line = (cells) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    texts.includes(i) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return `${[line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')}\n`;
}
