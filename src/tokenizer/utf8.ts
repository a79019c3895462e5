/**
 * UTF-8 to strings and back where the platform's decoder will not do: bytes that are not valid UTF-8 must survive
 * until the vocabulary kind decides what becomes of them. They travel inside strings as lone low surrogates
 * U+DC80..U+DCFF (Python's "surrogateescape"); nothing else in such a string is a lone surrogate.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Bytes to text; what is invalid becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A caller's string: lone surrogates are no text and become U+FFFD, as TextEncoder does. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATES, '\uFFFD') : text;
}

/** True if the string carries escaped bytes. */
export function hasEscapedBytes(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

/** Bytes to a string with invalid bytes escaped. */
export function decodeEscaping(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeBroken(bytes);
  }
}

function decodeBroken(bytes: Uint8Array): string {
  const parts: string[] = [];
  let start = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = validLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    parts.push(strict.decode(bytes.subarray(start, at)), String.fromCharCode(0xdc00 + bytes[at]!));
    start = ++at;
  }
  parts.push(strict.decode(bytes.subarray(start)));
  return parts.join('');
}

/** Bytes of the well-formed character at `at`, or 0: no overlong forms, surrogates or values above U+10FFFF. */
export function validLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  const second = bytes[at + 1] ?? 0;
  if (lead < 0xe0) return lead >= 0xc2 && isTail(second) ? 2 : 0;
  if (!isTail(second) || !isTail(bytes[at + 2] ?? 0)) return 0;
  if (lead < 0xf0) return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3;
  if (!isTail(bytes[at + 3] ?? 0)) return 0;
  return lead > 0xf4 || (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f) ? 0 : 4;
}

function isTail(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** The bytes of a string with escaped bytes. */
export function encodeUnescaping(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00) {
      i++; // a pair: high surrogates never stand alone here
    } else if (unit >= 0xdc00 && unit < 0xe000) {
      length += encoder.encodeInto(text.slice(start, i), bytes.subarray(length)).written;
      bytes[length++] = unit & 0xff;
      start = i + 1;
    }
  }
  length += encoder.encodeInto(text.slice(start), bytes.subarray(length)).written;
  return bytes.subarray(0, length);
}

/**
 * Writes a string as UTF-8 into `out`, which has room for three bytes per code unit, and returns the count. Lone
 * surrogates are written as three bytes, unlike TextEncoder does. By hand, because words are a few bytes long
 * and a call of TextEncoder costs more than that.
 */
export function writeUtf8(text: string, out: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[n++] = code;
      continue;
    }
    if (code >= 0xd800) code = text.codePointAt(i)!;
    if (code < 0x800) {
      out[n++] = 0xc0 | (code >> 6);
    } else {
      if (code < 0x10000) {
        out[n++] = 0xe0 | (code >> 12);
      } else {
        out[n++] = 0xf0 | (code >> 18);
        out[n++] = 0x80 | ((code >> 12) & 0x3f);
        i++;
      }
      out[n++] = 0x80 | ((code >> 6) & 0x3f);
    }
    out[n++] = 0x80 | (code & 0x3f);
  }
  return n;
}

/**
 * A string with escaped bytes as llama.cpp's BPE and WordPiece read them: any lead byte with enough tail bytes counts as a character, so overlong
 * forms become the character they mean and surrogates stay surrogates (lone ones here); each other byte becomes
 * U+FFFD. Two differences: what lies above U+10FFFF, where llama.cpp throws, becomes U+FFFD, and two surrogates
 * in a row are the character that they mean as a pair.
 */
export function replaceInvalid(text: string): string {
  if (!hasEscapedBytes(text)) return text;
  const bytes = encodeUnescaping(text);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!;
    const length =
      lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
    let code = length === 1 ? lead : lead & (0x7f >> length);
    let valid = length > 0;
    for (let i = 1; i < length; i++) {
      const tail = bytes[at + i] ?? 0;
      if (!isTail(tail)) valid = false;
      code = (code << 6) | (tail & 0x3f);
    }
    parts.push(valid && code <= 0x10ffff ? String.fromCodePoint(code) : '\uFFFD');
    at += valid ? length : 1;
  }
  return parts.join('');
}
