import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTokenizer, PRE_TOKENIZER_NAMES } from '../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../src/tokenizer/index.ts';
import { wellFormed } from '../../src/tokenizer/utf8.ts';
import { fixture, readMetadata, TINY_CHAT } from './read-metadata.ts';
import { toyBpe } from './toy.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.stringMatching(/^[ \n\r\t'a-cA-C1-3.,!\u00a0\u0085\u3000é你😀]{0,60}$/u),
);

let tekken: Tokenizer;
let tinyChat: Tokenizer;
let spm: Tokenizer;

beforeAll(async () => {
  tekken = createTokenizer(await readMetadata(fixture('tekken-40k.vocab.gguf.gz')));
  tinyChat = createTokenizer(await readMetadata(TINY_CHAT));
  spm = createTokenizer(await readMetadata(fixture('spm-mistral-v1.vocab.gguf.gz')));
});

function streamed(tokenizer: Tokenizer, ids: readonly number[], fromStart: boolean): string {
  const decoder = tokenizer.decoder({ fromStart });
  return ids.map((id) => decoder.push(id)).join('') + decoder.flush();
}

describe('what is encoded is decoded again', () => {
  test('byte-level BPE', () => {
    fc.assert(
      fc.property(text, (input) => {
        for (const tokenizer of [tekken, tinyChat]) {
          const ids = tokenizer.encode(input, { addSpecial: false });
          expect(tokenizer.decode(ids)).toBe(wellFormed(input));
        }
      }),
    );
  });

  test('SPM', () => {
    fc.assert(
      fc.property(text, (input) => {
        fc.pre(!input.includes('\u2581'));
        const ids = spm.encode(input, { addSpecial: false });
        expect(spm.decode(ids)).toBe(wellFormed(input));
        expect(streamed(spm, ids, true)).toBe(wellFormed(input));
      }),
    );
  });

  test.each(PRE_TOKENIZER_NAMES)('no byte is lost by the pre-tokenizer %s', (name) => {
    const tokenizer = createTokenizer(toyBpe(['a b', 'Ġ a', 'b c', 'ab c']).set('tokenizer.ggml.pre', name));
    fc.assert(
      fc.property(text, (input) => {
        expect(tokenizer.decode(tokenizer.encode(input))).toBe(wellFormed(input));
      }),
      { numRuns: 40 },
    );
  });
});

test('bytes give the same ids as the text they spell', () => {
  fc.assert(
    fc.property(text, (input) => {
      const bytes = new TextEncoder().encode(input);
      for (const tokenizer of [tekken, spm]) expect(tokenizer.encode(bytes)).toEqual(tokenizer.encode(input));
    }),
  );
});

test('any bytes are encoded; SPM gives them back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(tekken.decode(tekken.encode(bytes))).toBeTypeOf('string');
      // As in llama.cpp, a space that a broken character swallows comes back as the space mark.
      fc.pre(!bytes.includes(0x20));
      // A BOS keeps the space that the tokenizer put in front.
      expect(spm.decodeBytes(spm.encode(bytes, { addSpecial: false }))).toEqual(bytes);
    }),
  );
});

test('a stream never shows half a character', () => {
  // The toy vocabulary has a token for each byte and no other: every character is split wherever it can be.
  const toy = createTokenizer(toyBpe());
  fc.assert(
    fc.property(text, (input) => {
      fc.pre(!wellFormed(input).includes('\uFFFD'));
      for (const tokenizer of [toy, tekken]) {
        const decoder = tokenizer.decoder();
        const parts = tokenizer.encode(input, { addSpecial: false }).map((id) => decoder.push(id));
        for (const part of parts) expect(part).not.toContain('\uFFFD');
        expect(parts.join('')).toBe(input);
        expect(decoder.flush()).toBe('');
      }
    }),
  );
});

test('an unfinished character becomes U+FFFD at the end', () => {
  const toy = createTokenizer(toyBpe());
  const decoder = toy.decoder();
  expect(toy.encode('é').map((id) => decoder.push(id))).toEqual(['', 'é']);
  expect(decoder.push(toy.encode('é')[0]!)).toBe('');
  expect(decoder.flush()).toBe('\uFFFD');
});
