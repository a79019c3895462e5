// @ts-check
/** What the benchmarks' command lines have in common: options by name, lists, and one line about what is wrong. */
import { parseArgs } from 'node:util';

/** What the user got wrong. */
export class UsageError extends Error {}

/** Kinds of options, for `parse`. */
export const TEXT = /** @type {const} */ ({ type: 'string' });
export const FLAG = /** @type {const} */ ({ type: 'boolean' });

/**
 * The values of options; `-h, --help` goes with all.
 *
 * @template {NonNullable<import('node:util').ParseArgsConfig['options']>} T
 * @param {string[]} args
 * @param {T} options
 */
export function parse(args, options) {
  const help = /** @type {const} */ ({ ...FLAG, short: 'h' });
  try {
    return parseArgs({ args, options: { ...options, help } }).values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message, { cause: error });
  }
}

/** What stands between commas. @param {string} text */
export function list(text) {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A whole number from 1 on. @param {string} option @param {string} text */
export function count(option, text) {
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new UsageError(`${option}: "${text}" is not a number from 1 to 9999`);
  }
  return Number(text);
}

/** Several of them, each once. @param {string} option @param {string} text */
export function counts(option, text) {
  return [...new Set(list(text).map((each) => count(option, each)))];
}

/**
 * Names in a list, as they are written in `known`; all of these where nothing is asked for.
 *
 * @param {string} option @param {string | undefined} text @param {readonly string[]} known
 */
export function someOf(option, text, known) {
  if (text === undefined) return [...known];
  return list(text).map((name) => {
    const found = known.find((each) => each.toLowerCase() === name.toLowerCase());
    if (found === undefined) {
      throw new UsageError(`${option}: there is no "${name}"; known: ${known.join(', ')}`);
    }
    return found;
  });
}
