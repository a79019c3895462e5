/**
 * GPT-2's printable alphabet for bytes. Byte-level vocabularies are stored as text, so each byte has a visible
 * character: printable Latin-1 stands for itself, the other 68 bytes (controls, space, 0x7F..0xA0, 0xAD) follow
 * from U+0100 on. A space is therefore written as U+0120, a newline as U+010A.
 */
export const BYTE_TO_CHAR: readonly string[] = buildAlphabet();

/** Code unit to byte, -1 where the character is not of the alphabet (which ends at U+0143). */
export const CHAR_TO_BYTE: Int16Array = invert(BYTE_TO_CHAR);

function buildAlphabet(): string[] {
  const chars: string[] = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    chars.push(String.fromCharCode(printable ? byte : next++));
  }
  return chars;
}

function invert(chars: readonly string[]): Int16Array {
  const bytes = new Int16Array(0x144).fill(-1);
  chars.forEach((char, byte) => {
    bytes[char.charCodeAt(0)] = byte;
  });
  return bytes;
}
