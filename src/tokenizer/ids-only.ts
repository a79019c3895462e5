/** `tokenizer.ggml.model` "none": a model that takes ids and gives ids, because nobody gave it a vocabulary. */
import { TokenizerError } from '../errors.ts';
import type { Metadata } from './metadata.ts';
import type { StreamDecoder, Tokenizer } from './types.ts';

const EMPTY = new Uint8Array(0);

class IdsOnlyTokenizer implements Tokenizer {
  readonly kind = 'none';
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly addBos = false;
  readonly addEos = false;
  readonly endOfGeneration: ReadonlySet<number>;

  constructor(size: number, bos: number | undefined, eos: number | undefined) {
    this.size = size;
    this.bos = bos;
    this.eos = eos;
    this.endOfGeneration = new Set(eos === undefined ? [] : [eos]);
  }

  encode(): never {
    throw refusal();
  }

  decodeBytes(): never {
    throw refusal();
  }

  /** What is generated has ids and no text. */
  piece(): Uint8Array {
    return EMPTY;
  }

  decode(): string {
    return '';
  }

  tokenText(): undefined {
    return undefined;
  }

  tokenId(): undefined {
    return undefined;
  }

  decoder(): StreamDecoder {
    return { push: () => '', flush: () => '' };
  }
}

function refusal(): TokenizerError {
  return new TokenizerError(
    'this model has no tokenizer (tokenizer.ggml.model is "none"), so it takes token ids and no text: use --ids, or ' +
      'convert its checkpoint again with --tokenizer PATH or --tokenizer hf:OWNER/REPO',
  );
}

/** Throws TokenizerError when the file does not say how many ids there are. */
export function idsOnly(metadata: Metadata): Tokenizer {
  const key = `${String(metadata.get('general.architecture'))}.vocab_size`;
  const size = metadata.get(key);
  if (typeof size !== 'number' || size < 1)
    throw new TokenizerError(`${key} is missing: a model without a tokenizer needs it`);
  const id = (name: string): number | undefined => {
    const value = metadata.get(`tokenizer.ggml.${name}_token_id`);
    return typeof value === 'number' && value < size ? value : undefined;
  };
  return new IdsOnlyTokenizer(size, id('bos'), id('eos'));
}
