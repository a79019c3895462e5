import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { asRead, ggufTokenizerMetadata, TOKENIZER_FILES } from '../../../src/tokenizer/hf/index.ts';
import { createTokenizer } from '../../../src/tokenizer/index.ts';

/**
 * The tiny checkpoints of NIBBLE_ORACLE/hf: their tokenizers become GGUF metadata that give the recorded ids
 * (transformers) and those of @huggingface/tokenizers.
 */
const folder = join(process.env['NIBBLE_ORACLE'] ?? '', 'hf');
const names = process.env['NIBBLE_ORACLE'] === undefined ? [] : readdirSync(folder);

interface Golden {
  tokenizer?: Recorded[];
  cases?: Recorded[];
}

interface Recorded {
  text: string;
  ids?: number[];
  ids_with_special: number[];
  decoded?: string;
}

describe.skipIf(names.length === 0)('checkpoints', () => {
  test.each(names.filter((name) => existsSync(join(folder, name, 'tokenizer.json'))))('%s', (name) => {
    const files = readCheckpoint(name);
    const warnings: string[] = [];
    const metadata = ggufTokenizerMetadata(files, { onWarning: (message) => warnings.push(message) });
    const tokenizer = createTokenizer(asRead(metadata));
    const golden = JSON.parse(readFileSync(join(folder, name, 'golden.json'), 'utf8')) as Golden;
    const cases = [...(golden.tokenizer ?? []), ...(golden.cases ?? [])];
    expect(cases.length).toBeGreaterThan(0);
    const object = (file: string) => JSON.parse(new TextDecoder().decode(files.get(file))) as object;
    const peer = new HfTokenizer(object('tokenizer.json'), object('tokenizer_config.json'));
    for (const { text, ids, ids_with_special: withSpecial, decoded } of cases) {
      const plain = tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
      if (ids) expect(plain).toEqual(ids);
      expect(peer.encode(text, { add_special_tokens: false }).ids).toEqual(plain);
      expect(tokenizer.encode(text, { parseSpecial: true })).toEqual(withSpecial);
      if (decoded !== undefined) expect(tokenizer.decode(plain, { special: true })).toBe(decoded);
    }
    expect(warnings).toEqual([]);
  });

  test('a checkpoint without tokenizer files is refused', () => {
    expect(() => ggufTokenizerMetadata(readCheckpoint('openelm-notok'))).toThrow(
      /no tokenizer.*tokenizer\.json/,
    );
  });
});

function readCheckpoint(name: string): Map<string, Uint8Array> {
  const present = TOKENIZER_FILES.filter((file) => existsSync(join(folder, name, file)));
  return new Map(present.map((file) => [file, readFileSync(join(folder, name, file))]));
}
