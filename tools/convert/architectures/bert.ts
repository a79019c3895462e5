import { CheckpointError } from '../../../src/errors.ts';
import { f32, u32, type WritableValue } from '../../../src/gguf/writable.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { isObject, type Config } from '../config.ts';
import { SIZES, withBias } from './common.ts';
import type { Conversion, TensorRule } from './types.ts';

/** llama.cpp's pooling types. */
const POOLING = { mean: 1, cls: 2, last: 3, rank: 4 };

/** The labels of a classifier in order; nothing for the LABEL_0, LABEL_1 that transformers invents. */
function labels(config: Config): string[] {
  const map = config.find('id2label');
  if (!isObject(map)) return [];
  const names = Object.keys(map)
    .sort((a, b) => Number(a) - Number(b))
    .map((id) => String(map[id]));
  return names.every((name, i) => name === `LABEL_${i}`) ? [] : names;
}

const isClassifier = (config: Config): boolean =>
  JSON.stringify(config.find('architectures') ?? []).includes('ForSequenceClassification');

/** `activation`: of the dense layer before the classifier. */
function encoder(
  config: Config,
  { pooling = 'mean' }: Checkpoint,
  epsilon: number,
  activation: string,
): Record<string, WritableValue> {
  const shared = { 'attention.causal': false, 'attention.layer_norm_epsilon': f32(epsilon) };
  if (!isClassifier(config)) return { ...shared, pooling_type: u32(POOLING[pooling]) };
  const names = labels(config);
  return {
    ...shared,
    pooling_type: u32(POOLING.rank),
    'classifier.activation': activation,
    ...(names.length > 0 ? { 'classifier.output_labels': names } : {}),
  };
}

function check(config: Config): void {
  const positions = config.findString('position_embedding_type') ?? 'absolute';
  if (positions !== 'absolute' || config.flag('is_decoder')) {
    throw new CheckpointError(
      `${config.path}: a BERT that decodes, or with relative positions, is not supported`,
    );
  }
}

const EMBEDDINGS: readonly TensorRule[] = [
  ['embeddings.word_embeddings.weight', 'token_embd.weight'],
  ['embeddings.position_embeddings.weight', 'position_embd.weight'],
  ...withBias('embeddings.LayerNorm', 'token_embd_norm'),
];

const layer = (prefix: string, rows: readonly (readonly [from: string, to: string])[]): TensorRule[] =>
  rows.flatMap(([from, to]) => withBias(`${prefix}.${from}`, `blk.{}.${to}`));

export const bert: Conversion = {
  name: 'bert',
  classes: ['BertModel', 'BertForMaskedLM'],
  prefixes: ['bert.'],
  activations: ['gelu'],
  check,
  fields: [
    ...SIZES,
    ['feed_forward_length', 'u32', 'intermediate_size'],
    ['vocab_size', 'u32', 'vocab_size'],
  ],
  metadata: (config, checkpoint) =>
    encoder(config, checkpoint, config.findNumber('layer_norm_eps') ?? 1e-12, 'tanh'),
  tensors: [
    ...EMBEDDINGS,
    ['embeddings.token_type_embeddings.weight', 'token_types.weight'],
    ...layer('encoder.layer.{}', [
      ['attention.self.query', 'attn_q'],
      ['attention.self.key', 'attn_k'],
      ['attention.self.value', 'attn_v'],
      ['attention.output.dense', 'attn_output'],
      ['attention.output.LayerNorm', 'attn_output_norm'],
      ['intermediate.dense', 'ffn_up'],
      ['output.dense', 'ffn_down'],
      ['output.LayerNorm', 'layer_output_norm'],
    ]),
  ],
  ignored: () => /^cls\.|^pooler\.|position_ids$/,
  tied: true,
};

/** With its pooler, which nothing but a classifier uses. */
export const bertClassifier: Conversion = {
  ...bert,
  classes: ['BertForSequenceClassification'],
  tensors: [...bert.tensors, ...withBias('pooler.dense', 'cls'), ...withBias('classifier', 'cls.output')],
  ignored: () => /position_ids$/,
};

export const distilbert: Conversion = {
  name: 'bert',
  classes: ['DistilBertModel', 'DistilBertForMaskedLM', 'DistilBertForSequenceClassification'],
  prefixes: ['distilbert.'],
  activations: ['gelu'],
  fields: [...SIZES, ['feed_forward_length', 'u32', 'hidden_dim'], ['vocab_size', 'u32', 'vocab_size']],
  metadata: (config, checkpoint) => encoder(config, checkpoint, 1e-12, 'relu'),
  tensors: [
    ...EMBEDDINGS,
    ...layer('transformer.layer.{}', [
      ['attention.q_lin', 'attn_q'],
      ['attention.k_lin', 'attn_k'],
      ['attention.v_lin', 'attn_v'],
      ['attention.out_lin', 'attn_output'],
      ['sa_layer_norm', 'attn_output_norm'],
      ['ffn.lin1', 'ffn_up'],
      ['ffn.lin2', 'ffn_down'],
      ['output_layer_norm', 'layer_output_norm'],
    ]),
    ['pre_classifier.weight?', 'cls.weight'],
    ['pre_classifier.bias?', 'cls.bias'],
    ['classifier.weight?', 'cls.output.weight'],
    ['classifier.bias?', 'cls.output.bias'],
  ],
  ignored: () => /^vocab_/,
  tied: true,
};
