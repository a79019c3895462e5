/**
 * How checkpoints of one kind become GGUF, as a description: rows of metadata and rows of tensor names. Names of keys
 * and tensors are llama.cpp's, so that its programs read the files too.
 */
import type { WritableValue } from '../../../src/gguf/writable.ts';
import type { Checkpoint } from '../checkpoint.ts';
import type { Config, Json } from '../config.ts';
import type { Rows } from '../rows.ts';

/**
 * A key below `<architecture>.`, its type, and the names that config.json has for the value, first found first.
 * A key that ends in `?` may be missing.
 */
export type Field = readonly [key: string, type: 'u32' | 'f32' | 'bool', ...names: string[]];

export interface LayerContext {
  config: Config;
  /** -1 outside of layers. */
  layer: number;
  /** Another tensor of the checkpoint by its full pattern name, which then counts as used. */
  get(name: string): Rows;
}

export type Change = (rows: Rows, context: LayerContext) => Rows;

/**
 * A tensor of the checkpoint (without the model's prefix), its GGUF name, and what happens on the way. `{}` stands for
 * the layer, `{e}` for the expert: all experts become one tensor. A name that ends in `?` may be missing.
 */
export type TensorRule = readonly [from: string, to: string, change?: Change];

/** A tensor that is computed from config.json. Always F32. */
export interface MadeTensor {
  name: string;
  values: Float32Array;
}

export interface Conversion {
  /** general.architecture. */
  name: string;
  /** Entries of "architectures" in config.json. */
  classes: readonly string[];
  /** What may stand before the tensor names, longest first. */
  prefixes: readonly string[];
  /** Names in config.json of the function that the engine's description computes: any other is refused. */
  activations: readonly string[];
  /** Throws CheckpointError for what config.json asks for and the file could not say. */
  check?: (config: Config) => void;
  /** For keys that config.json may leave out because transformers knows them. */
  defaults?: Json;
  fields: readonly Field[];
  /** Metadata that no row of fields can say; keys below `<architecture>.`. */
  metadata?: (config: Config, checkpoint: Checkpoint) => Readonly<Record<string, WritableValue>>;
  tensors: readonly TensorRule[];
  made?: (config: Config) => readonly MadeTensor[];
  /** Tensors that are left out: buffers, and heads for training. */
  ignored?: (config: Config) => RegExp;
  /** Whether the head is the embedding where config.json does not say it; default: it is not. */
  tied?: boolean;
}
