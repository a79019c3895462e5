/** Tokens added to a vocabulary after its training, for checkpoints whose vocabulary is a SentencePiece file. */
import { asNumber, asObject, asString, isObject, parseObject } from './json.ts';
import type { AddedToken, TokenizerJson } from './tokenizer-json.ts';

const CONFIG = 'tokenizer_config.json';
const ADDED = 'added_tokens.json';

/**
 * From `tokenizer.json` where there is one, else from tokenizer_config.json's `added_tokens_decoder` (id -> token)
 * and the older `added_tokens.json` (text -> id).
 */
export function readAddedTokens(
  files: ReadonlyMap<string, Uint8Array>,
  json: TokenizerJson | undefined,
): AddedToken[] {
  if (json) return json.added;
  const tokens = new Map<number, AddedToken>();
  const older = files.get(ADDED);
  if (older) {
    for (const [text, value] of Object.entries(parseObject(older, ADDED))) {
      const id = asNumber(value, `${ADDED}: ${JSON.stringify(text)}`);
      tokens.set(id, { id, text, special: looksSpecial(text) });
    }
  }
  const config = files.get(CONFIG);
  const decoder = config ? parseObject(config, CONFIG)['added_tokens_decoder'] : undefined;
  if (isObject(decoder)) {
    for (const [key, entry] of Object.entries(decoder)) {
      const where = `${CONFIG}: added_tokens_decoder[${JSON.stringify(key)}]`;
      const token = asObject(entry, where);
      const text = asString(token['content'], `${where}.content`);
      tokens.set(Number(key), {
        id: Number(key),
        text,
        special: token['special'] === true || looksSpecial(text),
      });
    }
  }
  return [...tokens.values()];
}

/** Texts that mark a control token although no file says so. */
function looksSpecial(text: string): boolean {
  return /^<(?:pad|mask|unused\d+)>$|^<\|.*\|>$|^<｜.*｜>$/s.test(text);
}
