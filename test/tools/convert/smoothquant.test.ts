import { expect, it } from 'vitest';
import { getTensor, readTensor, type GgufFile } from '../../../src/gguf/index.ts';
import { convert, withGguf } from './checkpoint-suite.ts';
import { floats, product, randomFloats, writeCheckpoint, type TestTensor } from './checkpoints.ts';

const WIDTH = 8;
const CONFIG = {
  architectures: ['Int8OPTForCausalLM'],
  model_type: 'opt',
  hidden_size: WIDTH,
  ffn_dim: 16,
  num_attention_heads: 2,
  num_hidden_layers: 1,
  max_position_embeddings: 6,
  vocab_size: 12,
  word_embed_proj_dim: WIDTH,
};

const bytes = (shape: number[], first: number): TestTensor => ({
  dtype: 'I8',
  shape,
  bytes: new Uint8Array(
    Int8Array.from({ length: product(shape) }, (_, i) => ((first + 37 * i) % 255) - 127).buffer,
  ),
});

/** mit-han-lab's names; biases once as [1, out] and once as [out]. */
function tensors(): Record<string, TestTensor> {
  const layer = 'model.decoder.layers.0.';
  const all: Record<string, TestTensor> = {
    'model.decoder.embed_tokens.weight': randomFloats([12, WIDTH], 1),
    'model.decoder.embed_positions.weight': randomFloats([8, WIDTH], 2),
    'lm_head.weight': randomFloats([12, WIDTH], 1),
  };
  for (const name of [
    'model.decoder.final_layer_norm',
    `${layer}self_attn_layer_norm`,
    `${layer}final_layer_norm`,
  ]) {
    all[`${name}.weight`] = randomFloats([WIDTH], 3);
    all[`${name}.bias`] = randomFloats([WIDTH], 4);
  }
  for (const [name, out, input] of [
    ['self_attn.q_proj', WIDTH, WIDTH],
    ['self_attn.k_proj', WIDTH, WIDTH],
    ['self_attn.v_proj', WIDTH, WIDTH],
    ['fc1', 16, WIDTH],
  ] as const) {
    all[`${layer}${name}.weight`] = bytes([out, input], out + name.length);
    all[`${layer}${name}.bias`] = bytes(name === 'fc1' ? [out] : [1, out], 5);
    all[`${layer}${name}.a`] = floats([], [0.25]);
    all[`${layer}${name}.b`] = floats([], [0.5]);
  }
  for (const [name, out, input] of [
    ['self_attn.out_proj', WIDTH, WIDTH],
    ['fc2', WIDTH, 16],
  ] as const) {
    all[`${layer}${name}.weight`] = bytes([out, input], input);
    all[`${layer}${name}.bias`] = randomFloats(name === 'fc2' ? [out] : [1, out], 6);
    all[`${layer}${name}.a`] = floats([], [0.125]);
  }
  all[`${layer}self_attn.qk_bmm.a`] = floats([], [2]);
  all[`${layer}self_attn.pv_bmm.a`] = floats([], [3]);
  return all;
}

const f32 = async (file: GgufFile, name: string): Promise<Float32Array> =>
  new Float32Array(Uint8Array.from(await readTensor(file, getTensor(file, name))).buffer);

it("SmoothQuant's int8 OPT: weights stay int8, biases become f32, scales are tensors", async () => {
  const all = tensors();
  const folder = writeCheckpoint(CONFIG, all);
  // Whatever is asked for: int8 stays int8.
  const path = await convert(folder, { outtype: 'f16' });
  await withGguf(path, async (file) => {
    expect(file.metadata.get('general.architecture')).toBe('opt');
    expect(file.metadata.get('opt.quantization.method')).toBe('smoothquant');
    expect(file.metadata.has('general.file_type')).toBe(false);
    const layer = 'model.decoder.layers.0.';
    for (const [from, to] of [
      ['self_attn.q_proj', 'attn_q'],
      ['fc1', 'ffn_up'],
      ['fc2', 'ffn_down'],
      ['self_attn.out_proj', 'attn_output'],
    ] as const) {
      const weight = getTensor(file, `blk.0.${to}.weight`);
      expect(weight.type).toBe(24);
      expect(weight.shape).toEqual([...all[`${layer}${from}.weight`]!.shape].reverse());
      expect(Buffer.compare(await readTensor(file, weight), all[`${layer}${from}.weight`]!.bytes)).toBe(0);
      expect(await f32(file, `blk.0.${to}.scale`)).toHaveLength(1);
      expect(getTensor(file, `blk.0.${to}.bias`)).toMatchObject({ type: 0, shape: [weight.shape[1]] });
    }
    // b * bias of int8 outputs; the bias itself of f32 outputs.
    const stored = new Int8Array(all[`${layer}self_attn.q_proj.bias`]!.bytes.buffer);
    expect([...(await f32(file, 'blk.0.attn_q.bias'))]).toEqual([...stored].map((value) => 0.5 * value));
    const plain = new Float32Array(all[`${layer}fc2.bias`]!.bytes.buffer);
    expect(await f32(file, 'blk.0.ffn_down.bias')).toEqual(plain);
    expect(await f32(file, 'blk.0.attn_q.scale')).toEqual(Float32Array.of(0.25));
    expect(await f32(file, 'blk.0.attn_qk.scale')).toEqual(Float32Array.of(2));
    expect(await f32(file, 'blk.0.attn_pv.scale')).toEqual(Float32Array.of(3));
    // Position t is row t + 2 of the checkpoint, row t of the file. The tied head is not written twice.
    const positions = new Float32Array(all['model.decoder.embed_positions.weight']!.bytes.buffer);
    expect(await f32(file, 'position_embd.weight')).toEqual(positions.slice(2 * WIDTH));
    expect(file.tensors.some(({ name }) => name === 'output.weight')).toBe(false);
  });
});
