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
import type { Architecture, LayerSpec, ModelSpec, Rope } from './architectures/types.ts';
import { readClassifier } from './classifier.ts';
import { readExperts } from './experts.ts';
import { latentScale, readLatent } from './latent.ts';
import { readPooling } from './pooling.ts';
import { plainRope, ropeFromMetadata } from './rope.ts';
import { readScales } from './static-scales.ts';

/** More layers than any model has; the rest of the sizes is checked against the tensors. */
const MOST_LAYERS = 4096;

/** Positions where the user names none: what the model was trained for, at most this. */
const DEFAULT_CONTEXT = 4096;

/**
 * Reads what the compiler of programs needs, for a context of so many tokens (0: the default).
 *
 * @throws ModelError for an unknown architecture, sizes that contradict each other, a missing tensor, a context
 *   longer than the table of learned positions
 */
export async function readSpec(file: GgufFile, wantedContext = 0): Promise<ModelSpec> {
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
  const latent = readLatent(metadata, architecture.name);
  const heads = getPerLayer(metadata, key('attention.head_count'), count);
  const kvHeads = latent
    ? heads.map(() => 1)
    : (findPerLayer(metadata, key('attention.head_count_kv'), count) ?? heads);
  const feedForward = getPerLayer(metadata, key('feed_forward_length'), count);
  const experts = readExperts(metadata, architecture, feedForward);
  const headWidth = latent
    ? latent.rank + latent.rotary
    : (findCount(metadata, key('attention.key_length')) ?? width / heads[0]!);
  const valueWidth = latent ? latent.rank : (findCount(metadata, key('attention.value_length')) ?? headWidth);
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
  const trainedContext = findCount(metadata, key('context_length')) ?? 2048;
  const contextSize = wantedContext || Math.min(trainedContext, DEFAULT_CONTEXT);
  checkPositions(architecture, tensors, { contextSize, trainedContext });
  const vocabulary = embedding.shape[1] ?? 0;
  const classifier = architecture.encoder ? readClassifier(metadata, architecture.name, tensors) : undefined;
  const { ropes, localRope } = await readRopes(file, architecture, tensors, { rotary, contextSize });
  const scaled = latent && latentScale(metadata, architecture.name, latent, ropes[0]!);
  if (scaled) ropes[0] = scaled.rope;
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
      rope: architecture.rope === 'none' ? undefined : local ? localRope : 0,
    };
  });
  return {
    architecture,
    width,
    vocabulary,
    trainedContext,
    contextSize,
    outputs: architecture.encoder ? (classifier?.labels.length ?? 0) : vocabulary,
    headWidth,
    valueWidth,
    latent,
    epsilon: findNumber(metadata, key(EPSILON_KEYS[architecture.norm ?? 'rms'])) ?? 1e-5,
    softmaxScale:
      scaled?.softmaxScale ??
      findNumber(metadata, key('attention.scale')) ??
      architecture.softmaxScale?.({ width, headWidth, heads: heads[0]!, layers: count }) ??
      1 / Math.sqrt(headWidth),
    attentionSoftcap: findNumber(metadata, key('attn_logit_softcapping')) ?? 0,
    logitSoftcap: findNumber(metadata, key('final_logit_softcapping')) ?? 0,
    embeddingScale: architecture.scaledEmbedding ? Math.sqrt(width) : 1,
    ropes,
    layers,
    tensors,
    scales: await readScales(file),
    pooling: readPooling(metadata, architecture.name),
    classifier,
  };
}

function positive(metadata: Metadata, key: string): number {
  const value = getCount(metadata, key);
  if (value === 0) throw new ModelError(`${key} is 0`);
  return value;
}

const EPSILON_KEYS = { rms: 'attention.layer_norm_rms_epsilon', layer: 'attention.layer_norm_epsilon' };

/** @throws ModelError where learned positions, or an encoder's training, do not reach to the end of the context */
function checkPositions(
  { rope, encoder }: Architecture,
  tensors: ReadonlyMap<string, GgufTensor>,
  { contextSize, trainedContext }: { contextSize: number; trainedContext: number },
): void {
  const rows = rope === 'none' ? tensors.get('position_embd.weight')?.shape[1] : undefined;
  const most = Math.min(rows ?? Infinity, encoder ? trainedContext : Infinity);
  if (contextSize > most) {
    throw new ModelError(
      `a context of ${contextSize} tokens is more than the ${most} positions that the model has learned: use a --ctx-size of at most ${most}`,
    );
  }
}

/** The file's rotation first; a second one where local layers have their own. */
async function readRopes(
  file: GgufFile,
  architecture: Architecture,
  tensors: ReadonlyMap<string, GgufTensor>,
  { rotary, contextSize }: { rotary: number; contextSize: number },
): Promise<{ ropes: Rope[]; localRope: number }> {
  if (architecture.rope === 'none') return { ropes: [], localRope: 0 };
  const { metadata } = file;
  const original = findCount(metadata, `${architecture.name}.rope.scaling.original_context_length`);
  // LongRoPE (arXiv:2402.13753) has factors for contexts within the original length and others for longer ones.
  const length = contextSize > (original ?? Infinity) ? 'long' : 'short';
  const tensor = tensors.get('rope_freqs.weight') ?? tensors.get(`rope_factors_${length}.weight`);
  const factors = tensor && (await readFactors(file, tensor, rotary / 2));
  const ropes = [ropeFromMetadata(metadata, architecture.name, rotary, factors)];
  const base = architecture.localRopeBase?.(metadata);
  if (base === undefined) return { ropes, localRope: 0 };
  ropes.push(plainRope(rotary, base));
  return { ropes, localRope: 1 };
}

/** Divisors of the frequencies, one per pair. */
async function readFactors(file: GgufFile, tensor: GgufTensor, pairs: number): Promise<Float32Array> {
  if (tensor.type !== 0 || tensor.shape[0] !== pairs) {
    throw new ModelError(`tensor ${tensor.name} must be ${pairs} x F32`);
  }
  return new Float32Array(Uint8Array.from(await readTensor(file, tensor)).buffer);
}

/** `general.name`, or the architecture's. */
export function modelName(metadata: Metadata): string {
  return findString(metadata, 'general.name') ?? findString(metadata, 'general.architecture') ?? 'unnamed';
}
