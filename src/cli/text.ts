/** Numbers and sizes as people read them. */

/** `93.4 MB`; powers of 1000, as files are sold and downloaded. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** llama-bench's sizes: `86.60 MiB`, `1.02 GiB`. */
export function binaryBytesText(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(2)} MiB`;
}

/** llama-bench's parameter counts: `134.52 M`, `1.24 B`. */
export function parametersText(count: number): string {
  return count >= 1e9 ? `${(count / 1e9).toFixed(2)} B` : `${(count / 1e6).toFixed(2)} M`;
}

/** `135M`, `1.1B`: as in a model's name. */
export function roundParametersText(count: number): string {
  if (count >= 9.95e9) return `${Math.round(count / 1e9)}B`;
  if (count >= 9.95e8) return `${(count / 1e9).toFixed(1)}B`;
  return `${Math.max(1, Math.round(count / 1e6))}M`;
}

/** `850 ms`, `1.2 s`, `3 min 20 s`. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** One decimal below 100, none above; `-` for what is not a number. */
export function numberText(value: number | undefined, digits = 1): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  return value.toFixed(Math.abs(value) >= 1000 ? 0 : digits);
}

/** Singular or plural. */
export function countText(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** Milliseconds and rates to three decimals: JSON is for reading too. */
export function rounded(value: number, digits = 3): number {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : 0;
}
