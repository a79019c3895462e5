/** The sets of questions that come with the package, for `--multiple-choice NAME`. */
import { readFile } from 'node:fs/promises';
import { PACKAGE_ROOT } from '../../src/platform/node/package-root.ts';
import { parseChoiceItems, type ChoiceItem } from './choice-items.ts';

/** Name -> what it asks. The items are in sets/NAME.jsonl. */
export const CHOICE_SETS: ReadonlyMap<string, string> = new Map([
  ['everyday', 'how everyday scenes go on: 60 items'],
  ['code', 'which line comes next in Python, JavaScript, TypeScript, C and shell: 40 items'],
]);

/** The items of a set by name. Throws NibbleError where the package lacks the file. */
export async function loadChoiceSet(name: string): Promise<ChoiceItem[]> {
  const url = new URL(`tools/perplexity/sets/${name}.jsonl`, PACKAGE_ROOT);
  return parseChoiceItems(await readFile(url, 'utf8'), `${name}.jsonl`);
}
