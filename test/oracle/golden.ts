/** golden.json and the logits beside it: what trusted implementations computed with a tiny model. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GoldenSequence {
  tokens: number[];
  /** In elements of the logits file. */
  logits_offset: number;
  /** [tokens, vocabulary] */
  logits_shape: [number, number];
  greedy?: number[];
  margins?: number[];
}

export interface Greedy {
  greedy: number[];
  margins: number[];
}

export interface GoldenFile {
  gguf: string;
  type: string;
  n_ctx: number;
  /** llama.cpp's own path: activations of quantized weights are quantized. Not in the fixtures. */
  logits?: string;
  /** PyTorch, where llama.cpp itself is not exact enough. */
  logits_torch?: string;
  /** All weights dequantized first; quantized files only. */
  logits_f32act?: string;
  f32act_greedy?: Greedy[];
  sequences: GoldenSequence[];
}

export interface Golden {
  name: string;
  arch: string;
  /** E: experts. */
  shapes?: { E?: number };
  files: GoldenFile[];
}

export function readGolden(folder: string): Golden {
  return JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
}

/** Raw little-endian numbers of a file, in memory of their own. */
export function readF32(path: string): Float32Array {
  return new Float32Array(Uint8Array.from(readFileSync(path)).buffer);
}

export function readI32(path: string): Int32Array {
  return new Int32Array(Uint8Array.from(readFileSync(path)).buffer);
}

/** What the file's logits are to be compared with: exact arithmetic on the weights as they are stored. */
export function referenceOf(folder: string, file: GoldenFile): Float32Array {
  const name = file.logits_f32act ?? file.logits_torch ?? file.logits;
  if (name === undefined) throw new Error(`${file.gguf} has no reference`);
  return readF32(join(folder, name));
}

/** The part of a reference that belongs to a sequence. */
export function logitsOf(reference: Float32Array, sequence: GoldenSequence): Float32Array {
  const [rows, vocabulary] = sequence.logits_shape;
  const { logits_offset: start } = sequence;
  const part = reference.subarray(start, start + rows * vocabulary);
  if (part.length !== rows * vocabulary || rows !== sequence.tokens.length) {
    throw new Error(`the reference holds ${part.length} logits, not ${rows} x ${vocabulary}`);
  }
  return part;
}

/** The ids that exact arithmetic chooses after the sequence at `index`. */
export function greedyOf(file: GoldenFile, index: number): Greedy | undefined {
  const { greedy, margins } = file.f32act_greedy?.[index] ?? file.sequences[index]!;
  return greedy && margins && { greedy, margins };
}
