/** Pieces of ASCII take a way of their own: the same text as from the host's decoder, whatever was held. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Utf8StreamDecoder } from '../../src/tokenizer/stream-decoder.ts';

/** Characters of one to four bytes cut anywhere, stray bytes, byte order marks and pieces without bytes. */
const bytes = fc
  .array(
    fc.oneof(
      fc
        .constantFrom('a', ' ', '\0', '\x7f', 'é', '語', '🙂', '\ufeff')
        .map((text) => [...new TextEncoder().encode(text)]),
      fc.integer({ min: 0, max: 255 }).map((byte) => [byte]),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Uint8Array.from(parts.flat()));
const cuts = fc.array(fc.nat({ max: 60 }), { maxLength: 20 });

test('any bytes, cut anywhere', () => {
  fc.assert(
    fc.property(bytes, cuts, (all, places) => {
      const ends = [0, ...places.map((at) => Math.min(at, all.length)).sort((a, b) => a - b), all.length];
      const pieces = ends.slice(1).map((end, i) => all.subarray(ends[i], end));
      const host = new TextDecoder('utf-8', { ignoreBOM: true });
      const decoder = new Utf8StreamDecoder((id) => pieces[id]!);
      for (const [id, piece] of pieces.entries()) {
        expect(decoder.push(id)).toBe(host.decode(piece, { stream: true }));
      }
      expect(decoder.flush()).toBe(host.decode());
      // And it can be used again.
      expect(decoder.push(0)).toBe(host.decode(pieces[0], { stream: true }));
    }),
    { numRuns: 500 },
  );
});
