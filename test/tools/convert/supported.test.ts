/** What config.json can ask for and a GGUF file cannot say is refused; what it can say is said with the right numbers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors.ts';
import { checkSupported, conversionFor } from '../../../tools/convert/architectures/index.ts';
import { openCheckpoint } from '../../../tools/convert/checkpoint.ts';
import { Config } from '../../../tools/convert/config.ts';
import { modelMetadata } from '../../../tools/convert/metadata.ts';
import { ropeMetadata } from '../../../tools/convert/rope.ts';
import { writeCheckpoint } from './checkpoints.ts';

const configOf = (json: object): Config => new Config(json, 'config.json');

function check(json: object): void {
  const config = configOf(json);
  checkSupported(conversionFor(config), config);
}

const QWEN = { architectures: ['Qwen2ForCausalLM'], num_hidden_layers: 4, max_window_layers: 2 };
const GEMMA3 = { architectures: ['Gemma3ForCausalLM'] };
const GPT2 = { architectures: ['GPT2LMHeadModel'] };
const OPT = { architectures: ['OPTForCausalLM'], hidden_size: 64 };
const MOE = { ...QWEN, architectures: ['Qwen2MoeForCausalLM'] };

describe('refused', () => {
  test.each<[string, object, RegExp]>([
    [
      'GPT-2 with another GELU',
      { ...GPT2, activation_function: 'gelu' },
      /activation "gelu" is not supported/,
    ],
    ['a Galactica', { ...OPT, activation_function: 'gelu' }, /activation "gelu" is not supported.*relu/],
    ['a type from the prototype', { ...OPT, activation_function: 'constructor' }, /activation "constructor"/],
    ['scores by layer', { ...GPT2, scale_attn_by_inverse_layer_idx: true }, /scale_attn/],
    ['OPT 350M', { ...OPT, word_embed_proj_dim: 32 }, /OPT 350M/],
    ['OPT without its last norm', { ...OPT, _remove_final_layer_norm: true }, /without the last one/],
    ['a window in some layers', { ...QWEN, use_sliding_window: true }, /layers from 2 on/],
    ['listed windows', { ...QWEN, layer_types: ['sliding_attention', 'full_attention'] }, /layer_types/],
    ['layers without experts', { ...MOE, decoder_sparse_step: 2 }, /layers without experts/],
    ['listed layers without experts', { ...MOE, mlp_only_layers: [0] }, /layers without experts/],
    ['EmbeddingGemma', { ...GEMMA3, use_bidirectional_attention: true }, /EmbeddingGemma/],
    ['another pattern', { ...GEMMA3, sliding_window_pattern: 4 }, /5 of 6/],
    ['another list', { ...GEMMA3, layer_types: Array(6).fill('full_attention') }, /layer_types/],
    ['a BERT that decodes', { architectures: ['BertModel'], is_decoder: true }, /decodes/],
    [
      'DeepSeek with other gaps',
      { architectures: ['DeepseekV2ForCausalLM'], moe_layer_freq: 2 },
      /moe_layer_freq/,
    ],
  ])('%s', (_, json, message) => {
    expect(() => check(json)).toThrow(CheckpointError);
    expect(() => check(json)).toThrow(message);
  });

  test('what published models say is not', () => {
    const sixth = (kinds: number): string[] =>
      Array.from({ length: kinds }, (_, i) => (i % 6 < 5 ? 'sliding_attention' : 'full_attention'));
    for (const json of [
      { ...GPT2, activation_function: 'gelu_new', scale_attn_weights: true },
      { ...OPT, activation_function: 'relu', word_embed_proj_dim: 64, do_layer_norm_before: true },
      { ...QWEN, hidden_act: 'silu', use_sliding_window: false, sliding_window: 131072 },
      { ...QWEN, use_sliding_window: true, max_window_layers: 28 },
      { ...MOE, decoder_sparse_step: 1, mlp_only_layers: [] },
      {
        ...GEMMA3,
        hidden_activation: 'gelu_pytorch_tanh',
        layer_types: sixth(13),
        sliding_window_pattern: 6,
      },
      { architectures: ['GemmaForCausalLM'], hidden_act: 'gelu', hidden_activation: null },
      { architectures: ['BertModel'], hidden_act: 'gelu', position_embedding_type: 'absolute' },
    ]) {
      check(json);
    }
  });
});

// Readers multiply cos and sin by 1 + 0.1 ln(factor); expected is what transformers' _compute_yarn_parameters gives.
describe('YaRN', () => {
  const factorOf = (rope: object): number => {
    const json = { max_position_embeddings: 256, rope_scaling: { rope_type: 'yarn', factor: 8, ...rope } };
    const { 'rope.scaling.attn_factor': factor } = ropeMetadata(configOf(json), 16);
    return (factor as { value: number } | undefined)?.value ?? 1;
  };
  const usual = 1 + 0.1 * Math.log(8);

  test.each<[string, object, number]>([
    ['nothing', {}, usual],
    ['an attention factor', { attention_factor: 1.3 }, 1.3],
    ['two scales', { mscale: 1, mscale_all_dim: 0.7 }, usual / (1 + 0.07 * Math.log(8))],
    ['two scales of which one is nothing', { mscale: 1, mscale_all_dim: 0 }, usual],
    ['equal scales', { mscale: 0.7, mscale_all_dim: 0.7 }, 1],
  ])('%s', (_, rope, expected) => {
    expect(factorOf(rope) * usual).toBeCloseTo(expected, 6);
  });

  test('the original context is the trained one where nothing else says', () => {
    const json = { max_position_embeddings: 256, rope_scaling: { type: 'yarn', factor: 8 } };
    expect(ropeMetadata(configOf(json), 16)['rope.scaling.original_context_length']).toMatchObject({
      value: 256,
    });
  });
});

describe('pooling of a folder in the layout of sentence-transformers', () => {
  const config = {
    ...{ architectures: ['BertModel'], hidden_size: 64, num_hidden_layers: 1, num_attention_heads: 2 },
    ...{ intermediate_size: 96, vocab_size: 8, max_position_embeddings: 32 },
  };

  async function poolingType(flags?: object): Promise<unknown> {
    const folder = writeCheckpoint(config, {});
    if (flags) {
      mkdirSync(join(folder, '1_Pooling'));
      writeFileSync(join(folder, '1_Pooling', 'config.json'), JSON.stringify(flags));
    }
    const checkpoint = await openCheckpoint(folder, { weights: false });
    const options = { name: 'x', fileType: undefined, parameters: 0 };
    const metadata = modelMetadata(conversionFor(checkpoint.config), checkpoint.config, checkpoint, options);
    await checkpoint.close();
    return (metadata.get('bert.pooling_type') as { value: number }).value;
  }

  test('is kept, as llama.cpp numbers it', async () => {
    expect(await poolingType()).toBe(1);
    const flags = { word_embedding_dimension: 64, pooling_mode_max_tokens: false };
    expect(await poolingType({ ...flags, pooling_mode_mean_tokens: true })).toBe(1);
    expect(
      await poolingType({ ...flags, pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }),
    ).toBe(2);
    expect(await poolingType({ ...flags, pooling_mode_lasttoken: true })).toBe(3);
  });

  test('is refused where it is another', async () => {
    await expect(poolingType({ pooling_mode_max_tokens: true })).rejects.toThrow(
      /pooling by pooling_mode_max_tokens/,
    );
    await expect(
      poolingType({ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }),
    ).rejects.toThrow(/not supported/);
  });
});
