/** config.json with checks: what a conversion reads is there and of the right kind, or an error names the key. */
import { CheckpointError } from '../../src/errors.ts';

export type Json = Readonly<Record<string, unknown>>;

export class Config {
  /** For messages. */
  readonly path: string;
  readonly json: Json;

  constructor(json: unknown, path: string) {
    if (!isObject(json)) throw new CheckpointError(`${path}: is no JSON object`);
    // Models that also see or hear keep the language model's sizes one level down.
    const text = json['text_config'];
    this.json = isObject(text) ? { ...json, ...text } : json;
    this.path = path;
  }

  /** The same with values for keys that are missing. */
  withDefaults(defaults: Json): Config {
    const given = Object.entries(this.json).filter(([, value]) => value !== null);
    return new Config({ ...defaults, ...Object.fromEntries(given), text_config: undefined }, this.path);
  }

  /** The first of `keys` that is there and not null. */
  find(...keys: string[]): unknown {
    for (const key of keys) {
      if (Object.hasOwn(this.json, key) && this.json[key] !== null) return this.json[key];
    }
    return undefined;
  }

  /** A positive whole number. Throws CheckpointError when it is missing or something else. */
  count(...keys: string[]): number {
    return this.findCount(...keys) ?? this.missing(keys);
  }

  findCount(...keys: string[]): number | undefined {
    const value = this.find(...keys);
    if (value === undefined || isCount(value)) return value;
    throw this.wrong(keys, 'a positive whole number');
  }

  number(...keys: string[]): number {
    return this.findNumber(...keys) ?? this.missing(keys);
  }

  findNumber(...keys: string[]): number | undefined {
    const value = this.find(...keys);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw this.wrong(keys, 'a number');
  }

  /** A positive whole number for each layer. */
  counts(length: number, ...keys: string[]): number[] {
    const value = this.find(...keys) ?? this.missing(keys);
    if (Array.isArray(value) && value.length === length && value.every(isCount)) return value;
    throw this.wrong(keys, `a list of ${length} positive whole numbers`);
  }

  numbers(length: number, ...keys: string[]): number[] {
    const value = this.find(...keys) ?? this.missing(keys);
    const isNumber = (item: unknown): item is number => typeof item === 'number' && Number.isFinite(item);
    if (Array.isArray(value) && value.length === length && value.every(isNumber)) return value;
    throw this.wrong(keys, `a list of ${length} numbers`);
  }

  findString(...keys: string[]): string | undefined {
    const value = this.find(...keys);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(keys, 'a text');
  }

  flag(key: string, fallback = false): boolean {
    const value = this.find(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong([key], 'true or false');
  }

  /** An object inside, with the same checks; undefined when it is missing. */
  findConfig(...keys: string[]): Config | undefined {
    const value = this.find(...keys);
    if (value === undefined) return undefined;
    if (isObject(value)) return new Config(value, `${this.path}: ${keys[0]}`);
    throw this.wrong(keys, 'an object');
  }

  private wrong(keys: string[], wanted: string): CheckpointError {
    return new CheckpointError(`${this.path}: "${keys[0]}" is not ${wanted}`);
  }

  private missing(keys: string[]): never {
    throw new CheckpointError(`${this.path}: "${keys.join('" or "')}" is missing`);
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 32;
}
