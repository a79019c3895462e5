/** SentencePiece's model file (`tokenizer.model`, `spiece.model`): the ModelProto message of its source. */
import { TokenizerError } from '../../errors.ts';
import { asFloat, readFields } from './protobuf.ts';
import { TYPE } from './draft.ts';

export interface SentencePieceModel {
  kind: 'unigram' | 'bpe';
  pieces: { text: string; score: number; type: number }[];
  /** Ids in the file; -1: there is none. */
  unknown: number;
  bos: number;
  eos: number;
  pad: number;
  charsmap: Uint8Array;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
}

/** Field numbers of sentencepiece_model.proto. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 };
const PIECE = { text: 1, score: 2, type: 3 };
const TRAINER = { modelType: 3, whitespaceAsSuffix: 24, unknown: 40, bos: 41, eos: 42, pad: 43 };
const NORMALIZER = { charsmap: 2, addDummyPrefix: 3, removeExtraWhitespaces: 4, escapeWhitespaces: 5 };
const KINDS: Record<number, SentencePieceModel['kind'] | undefined> = { 1: 'unigram', 2: 'bpe' };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws TokenizerError on a damaged file, and on the kinds (words, characters) that GGUF cannot hold. */
export function readSentencePiece(bytes: Uint8Array, file: string): SentencePieceModel {
  const model: SentencePieceModel = {
    // The defaults of the format, for fields that a file leaves out.
    ...{ kind: 'unigram', pieces: [], unknown: 0, bos: 1, eos: 2, pad: -1 },
    ...{ charsmap: new Uint8Array(0), addDummyPrefix: true, removeExtraWhitespaces: true },
  };
  for (const field of readFields(bytes, file)) {
    if (field.number === MODEL.pieces) model.pieces.push(readPiece(field.bytes, file, model.pieces.length));
    if (field.number === MODEL.trainer) readTrainer(model, field.bytes, file);
    if (field.number === MODEL.normalizer) readNormalizer(model, field.bytes, file);
  }
  if (model.pieces.length === 0) throw new TokenizerError(`${file} holds no pieces`);
  return model;
}

function readPiece(bytes: Uint8Array, file: string, id: number): SentencePieceModel['pieces'][number] {
  const piece = { text: '', score: 0, type: TYPE.normal };
  for (const { number, value, bytes: content } of readFields(bytes, file)) {
    if (number === PIECE.text) piece.text = decode(content, file, id);
    if (number === PIECE.score) piece.score = asFloat(value);
    // The numbers of the types are the same in both formats.
    if (number === PIECE.type) piece.type = value;
  }
  if (piece.type < TYPE.normal || piece.type > TYPE.byte) {
    throw new TokenizerError(`${file}: piece ${id} has the unknown type ${piece.type}`);
  }
  return piece;
}

function decode(bytes: Uint8Array, file: string, id: number): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new TokenizerError(`${file}: piece ${id} is not valid UTF-8`);
  }
}

function readTrainer(model: SentencePieceModel, bytes: Uint8Array, file: string): void {
  for (const { number, value } of readFields(bytes, file)) {
    if (number === TRAINER.modelType) {
      const kind = KINDS[value];
      if (kind === undefined) throw new TokenizerError(`${file} is neither a Unigram nor a BPE model`);
      model.kind = kind;
    }
    if (number === TRAINER.whitespaceAsSuffix && value !== 0) {
      throw new TokenizerError(`${file} puts spaces after words (treat_whitespace_as_suffix): not supported`);
    }
    if (number === TRAINER.unknown) model.unknown = signed(value);
    if (number === TRAINER.bos) model.bos = signed(value);
    if (number === TRAINER.eos) model.eos = signed(value);
    if (number === TRAINER.pad) model.pad = signed(value);
  }
}

function readNormalizer(model: SentencePieceModel, bytes: Uint8Array, file: string): void {
  for (const { number, value, bytes: content } of readFields(bytes, file)) {
    if (number === NORMALIZER.charsmap) model.charsmap = content;
    if (number === NORMALIZER.addDummyPrefix) model.addDummyPrefix = value !== 0;
    if (number === NORMALIZER.removeExtraWhitespaces) model.removeExtraWhitespaces = value !== 0;
    if (number === NORMALIZER.escapeWhitespaces && value === 0) {
      throw new TokenizerError(`${file} keeps spaces as they are (escape_whitespaces): not supported`);
    }
  }
}

/** An int32: negative numbers are written as if they had 64 bits. */
function signed(value: number): number {
  return value >= 2 ** 31 ? -1 : value;
}
