/** JSON files from outside: each access checks, and an error names the file and the place in it. */
import { TokenizerError } from '../../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Throws TokenizerError where `bytes` are not a JSON object. */
export function parseObject(bytes: Uint8Array, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new TokenizerError(`${file} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  return asObject(value, file);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asObject(value: unknown, where: string): JsonObject {
  if (isObject(value)) return value;
  throw new TokenizerError(`${where} is not a JSON object`);
}

export function asArray(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw new TokenizerError(`${where} is not a list`);
}

export function asString(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw new TokenizerError(`${where} is not a string`);
}

export function asNumber(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new TokenizerError(`${where} is not a number`);
}

/** The parts of a component that may be a `Sequence` of components, in order; none for null. */
export function components(value: unknown, list: string, where: string): JsonObject[] {
  return flatten(value, list, where, 0);
}

const MAX_DEPTH = 8;

function flatten(value: unknown, list: string, where: string, depth: number): JsonObject[] {
  if (value === undefined || value === null) return [];
  if (depth > MAX_DEPTH) throw new TokenizerError(`${where} is nested more than ${MAX_DEPTH} deep`);
  const component = asObject(value, where);
  if (component['type'] !== 'Sequence') return [component];
  return asArray(component[list], `${where}.${list}`).flatMap((part) =>
    flatten(part, list, where, depth + 1),
  );
}
