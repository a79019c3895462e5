/** GGUF metadata and tensors to a ModelSpec: sizes are read and checked here, before any memory is asked for. */
import { ModelError } from '../errors.ts';
import {
  findCount,
  findNumber,
  findPerLayer,
  findString,
  getCount,
  getPerLayer,
  getString,
  type Metadata,
} from '../gguf/metadata.ts';
import { readTensor } from '../gguf/tensors.ts';
import type { GgufFile, GgufTensor } from '../gguf/types.ts';
import { architectureOf } from './architectures/index.ts';
import type { LayerSpec, ModelSpec, Rope } from './architectures/types.ts';
import { readExperts } from './experts.ts';
import { plainRope, ropeFromMetadata } from './rope.ts';

/** More layers than any model has; the rest of the sizes is checked against the tensors. */
const MOST_LAYERS = 4096;

/**
 * Reads what the compiler of programs needs.
 *
 * @throws ModelError for an unknown architecture, sizes that contradict each other, a missing tensor
 */
export async function readSpec(file: GgufFile): Promise<ModelSpec> {
  const { metadata } = file;
  const architecture = architectureOf(getString(metadata, 'general.architecture'));
  const key = (name: string) => `${architecture.name}.${name}`;
  const tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const embedding = tensors.get('token_embd.weight');
  if (!embedding)
    throw new ModelError('tensor token_embd.weight is missing: the file holds no runnable model');

  const width = positive(metadata, key('embedding_length'));
  const count = positive(metadata, key('block_count'));
  if (count > MOST_LAYERS)
    throw new ModelError(`${key('block_count')} is ${count}: more than ${MOST_LAYERS} layers`);
  const heads = getPerLayer(metadata, key('attention.head_count'), count);
  const kvHeads = findPerLayer(metadata, key('attention.head_count_kv'), count) ?? heads;
  const feedForward = getPerLayer(metadata, key('feed_forward_length'), count);
  const experts = readExperts(metadata, architecture, feedForward);
  const headWidth = findCount(metadata, key('attention.key_length')) ?? width / heads[0]!;
  const valueWidth = findCount(metadata, key('attention.value_length')) ?? headWidth;
  const rotary = findCount(metadata, key('rope.dimension_count')) ?? headWidth;
  for (const [name, value] of Object.entries({ width, headWidth, valueWidth })) {
    if (!(value > 0) || value % 4 !== 0 || value > 2 ** 20) {
      throw new ModelError(`${architecture.name}: ${name} is ${value}; it must be a multiple of 4`);
    }
  }
  if (rotary % 2 !== 0 || rotary > headWidth || rotary === 0) {
    throw new ModelError(
      `${key('rope.dimension_count')} is ${rotary}; it must be even and at most ${headWidth}`,
    );
  }

  const window = findCount(metadata, key('attention.sliding_window')) ?? 0;
  const { ropes, localRope } = await readRopes(file, tensors, rotary);
  const layers = Array.from({ length: count }, (_, index): LayerSpec => {
    const layerHeads = heads[index]!,
      layerKv = kvHeads[index]!;
    if (!(layerHeads > 0 && layerKv > 0 && Number.isInteger(layerHeads / layerKv) && layerHeads <= 65536)) {
      throw new ModelError(`layer ${index}: ${layerHeads} heads cannot share ${layerKv} key/value heads`);
    }
    const local = window > 0 && (architecture.isLocal?.(index) ?? true);
    return {
      index,
      heads: layerHeads,
      kvHeads: layerKv,
      feedForward: feedForward[index]!,
      experts: experts[index],
      window: local ? window : 0,
      rope: local ? localRope : 0,
    };
  });
  return {
    architecture,
    width,
    vocabulary: embedding.shape[1] ?? 0,
    trainedContext: findCount(metadata, key('context_length')) ?? 2048,
    headWidth,
    valueWidth,
    epsilon: findNumber(metadata, key('attention.layer_norm_rms_epsilon')) ?? 1e-5,
    softmaxScale: findNumber(metadata, key('attention.scale')) ?? 1 / Math.sqrt(headWidth),
    embeddingScale: architecture.scaledEmbedding ? Math.sqrt(width) : 1,
    ropes,
    layers,
    tensors,
  };
}

function positive(metadata: Metadata, key: string): number {
  const value = getCount(metadata, key);
  if (value === 0) throw new ModelError(`${key} is 0`);
  return value;
}

/** The file's rotation first; a second one where local layers have their own. */
async function readRopes(
  file: GgufFile,
  tensors: ReadonlyMap<string, GgufTensor>,
  rotary: number,
): Promise<{ ropes: Rope[]; localRope: number }> {
  const name = getString(file.metadata, 'general.architecture');
  const tensor = tensors.get('rope_freqs.weight');
  let factors: Float32Array | undefined;
  if (tensor) {
    if (tensor.type !== 0 || tensor.shape[0] !== rotary / 2) {
      throw new ModelError(`tensor rope_freqs.weight must be ${rotary / 2} x F32`);
    }
    const bytes = await readTensor(file, tensor);
    factors = new Float32Array(Uint8Array.from(bytes).buffer);
  }
  const ropes = [ropeFromMetadata(file.metadata, name, rotary, factors)];
  const base = architectureOf(name).localRopeBase?.(file.metadata);
  if (base === undefined) return { ropes, localRope: 0 };
  ropes.push(plainRope(rotary, base));
  return { ropes, localRope: 1 };
}

/** `general.name`, or the architecture's. */
export function modelName(metadata: Metadata): string {
  return findString(metadata, 'general.name') ?? findString(metadata, 'general.architecture') ?? 'unnamed';
}
