/** Values of options: text in, checked values out. commander adds the option's name and exits with 2. */
import { InvalidArgumentError } from 'commander';

type Parser<T> = (text: string) => T;

/** An integer from `low` to `high`. */
export function integer(low: number, high = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : NaN;
    if (value >= low && value <= high && Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError(`It must be an integer ${rangeText(low, high)}.`);
  };
}

/** A number from `low` to `high`. */
export function number(low: number, high: number): Parser<number> {
  return (text) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : NaN;
    if (value >= low && value <= high) return value;
    throw new InvalidArgumentError(`It must be a number ${rangeText(low, high)}.`);
  };
}

function rangeText(low: number, high: number): string {
  return high >= 2 ** 31 ? `from ${low}` : `from ${low} to ${high}`;
}

/** Several values with commas between them. */
export function list<T>(parse: Parser<T>): Parser<T[]> {
  return (text) => text.split(',').map((part) => parse(part.trim()));
}

/** Most values that a range may stand for. */
const MOST_VALUES = 1024;

/** Integers from `low` to `high` with commas between them, and ranges of them: `1,2,8..12`. */
export function integers(low: number, high: number): Parser<number[]> {
  const one = integer(low, high);
  return (text) =>
    text.split(',').flatMap((part) => {
      const [first, last] = (/^(.+?)\.\.(.+)$/.exec(part.trim()) ?? [part, part, part]).slice(1).map(one);
      if (last! < first! || last! - first! >= MOST_VALUES) {
        throw new InvalidArgumentError(`${part.trim()} is no range such as 1..4.`);
      }
      return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
    });
}

/** Bytes, with a unit or without: `65536`, `64M`, `1.5GiB` (powers of 1024). */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
  const power = { '': 0, k: 1, m: 2, g: 3 }[match?.[2]!.toLowerCase() ?? ''] ?? 0;
  const value = match ? Math.round(Number(match[1]) * 1024 ** power) : NaN;
  if (value >= 65536) return value;
  throw new InvalidArgumentError('It must be a size from 64K, such as 256M or 1G.');
}

/** Token ids: `1,2,3`, `1 2 3` or a JSON array. */
export function tokenIds(text: string): number[] {
  const parts = text
    .trim()
    .replace(/^\[(.*)\]$/s, '$1')
    .split(/[\s,]+/)
    .filter((part) => part !== '');
  if (parts.length === 0) throw new InvalidArgumentError('There are no token ids in it.');
  return parts.map((part) => {
    const id = /^\d+$/.test(part) ? Number(part) : NaN;
    if (id <= 0x7fffffff) return id;
    throw new InvalidArgumentError(`${part} is not a token id.`);
  });
}

/** llama.cpp's notation: `15043+1.5` makes token 15043 likelier, `2-inf` bans token 2. */
export function logitBias(text: string, before: Map<number, number> = new Map()): Map<number, number> {
  const match = /^(\d+)(?:=|(?=[+-]))([+-]?(?:\d+\.?\d*|\.\d+)|-inf)$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError('It must be ID+BIAS or ID-BIAS, such as 2-inf or 310+1.5.');
  const value = match[2]!.toLowerCase();
  return new Map(before).set(Number(match[1]), value.endsWith('inf') ? -Infinity : Number(value));
}

/** Collects an option that may be given several times. */
export function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}
