/**
 * Multiple-choice questions as JSON, one a line. HellaSwag's own files are read as they are:
 *
 *     {"ctx": "A man opens the oven. He", "endings": ["...", "...", "...", "..."], "label": 2}
 *
 * Other names that sets of this kind use: `context`, `question` or `prompt`; `choices` or `completions`; `answer`.
 * `label` counts from 0. Between context and ending stands `separator`, a space where the item names none.
 */
import { NibbleError } from '../../src/errors.ts';

export interface ChoiceItem {
  context: string;
  endings: string[];
  /** Index of the right ending. */
  label: number;
  separator: string;
}

const CONTEXT_KEYS = ['ctx', 'context', 'question', 'prompt'];
const ENDING_KEYS = ['endings', 'choices', 'completions'];
const LABEL_KEYS = ['label', 'answer'];

/** Throws NibbleError ERR_INPUT, which names file and line. */
export function parseChoiceItems(text: string, file: string): ChoiceItem[] {
  const items = text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), where: `${file}, line ${index + 1}` }))
    .filter(({ line }) => line !== '')
    .map(({ line, where }) => parseItem(line, where));
  if (items.length === 0) throw new NibbleError('ERR_INPUT', `${file} holds no questions`);
  return items;
}

function parseItem(line: string, where: string): ChoiceItem {
  let item: unknown;
  try {
    item = JSON.parse(line);
  } catch (error) {
    throw fault(where, 'is not valid JSON', error);
  }
  if (typeof item !== 'object' || item === null) throw fault(where, 'is not a JSON object');
  const values = item as Record<string, unknown>;
  const find = (keys: readonly string[]) =>
    keys.map((key) => values[key]).find((value) => value !== undefined);
  const context = find(CONTEXT_KEYS);
  const endings = find(ENDING_KEYS);
  const given = find(LABEL_KEYS);
  const separator = values['separator'] ?? ' ';
  if (typeof context !== 'string') throw fault(where, `has no text under ${CONTEXT_KEYS.join(', ')}`);
  if (
    !Array.isArray(endings) ||
    endings.length < 2 ||
    !endings.every((e) => typeof e === 'string' && e !== '')
  ) {
    throw fault(where, `has no list of two texts or more under ${ENDING_KEYS.join(', ')}`);
  }
  // HellaSwag writes its labels as text here and there.
  const label = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
  if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label >= endings.length) {
    throw fault(where, `has no index of one of the ${endings.length} endings under ${LABEL_KEYS.join(', ')}`);
  }
  if (typeof separator !== 'string') throw fault(where, 'has a separator that is no text');
  return { context, endings: endings as string[], label, separator };
}

function fault(where: string, what: string, cause?: unknown): NibbleError {
  return new NibbleError('ERR_INPUT', `${where} ${what}`, { cause });
}
