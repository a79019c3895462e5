// @ts-check
/**
 * A vocabulary that loads everywhere and means nothing: SentencePiece kind, with the control tokens, the 256
 * byte tokens, single characters, and made-up syllables up to the size asked for.
 */

const TYPE = { normal: 1, unknown: 2, control: 3, byte: 6 };
const CHARACTERS = ['▁', ...' etaoinsrhldcumfpgwybvkxjqzETAOINSRHLDCUMFPGWYBVKXJQZ0123456789.,;:!?-\'"()'];
const SYLLABLES = [...'bdfgklmnprstvz'].flatMap((consonant) =>
  [...'aeiou'].map((vowel) => consonant + vowel),
);

/** Fewer tokens than this cannot hold the bytes and characters. */
export const LEAST_VOCABULARY = 3 + 256 + CHARACTERS.length;

/**
 * @param {number} size
 * @returns {{ tokens: string[], scores: Float32Array, types: Int32Array }}
 */
export function toyVocabulary(size) {
  if (!(size >= LEAST_VOCABULARY))
    throw new RangeError(`a vocabulary has at least ${LEAST_VOCABULARY} tokens`);
  const tokens = ['<unk>', '<s>', '</s>'];
  for (let byte = 0; byte < 256; byte++)
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  tokens.push(...CHARACTERS.filter((character) => character !== ' '));
  for (let i = 0; tokens.length < size; i++) tokens.push(word(i));
  const types = Int32Array.from(tokens, (_, id) => typeOf(id));
  const scores = Float32Array.from(tokens, (_, id) => (types[id] === TYPE.normal ? -id : 0));
  return { tokens, scores, types };
}

/** @param {number} id */
function typeOf(id) {
  if (id === 0) return TYPE.unknown;
  if (id < 3) return TYPE.control;
  return id < 3 + 256 ? TYPE.byte : TYPE.normal;
}

/** Number `i` in syllables, with a space in front of every other one. @param {number} i */
function word(i) {
  let text = '';
  let rest = i >> 1;
  do {
    text = SYLLABLES[rest % SYLLABLES.length] + text;
    rest = Math.floor(rest / SYLLABLES.length) - 1;
  } while (rest >= 0);
  return i % 2 === 0 ? text : `▁${text}`;
}
