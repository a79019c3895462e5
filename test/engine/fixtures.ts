/** The models that the engine's tests run. */
import { fileURLToPath } from 'node:url';

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

/** A tiny model that speaks: 3 layers, 1280 tokens, ChatML. */
export const TINY_CHAT = fileURLToPath(
  new URL('../../models/tiny-chat/tiny-chat.Q8_0.gguf', import.meta.url),
);
export const TINY_CHAT_Q4_0 = fileURLToPath(
  new URL('../../models/tiny-chat/tiny-chat.Q4_0.gguf', import.meta.url),
);

/** 7 layers with a sliding window of 16 tokens, 128 tokens in the vocabulary. */
export const GEMMA3 = fixture('models/gemma3/gemma3.F32.gguf');
export const QWEN3 = fixture('models/qwen3/qwen3.F32.gguf');
/** Learned positions (256), LayerNorm with biases, fused qkv, feed-forward without a gate. */
export const GPT2 = fixture('models/gpt2/gpt2.F32.gguf');
/** Fused qkv and gate_up. */
export const PHI3 = fixture('models/phi3-longrope/phi3-longrope.F32.gguf');
/** An encoder: 64 values wide, 128 positions, 160 pieces. */
export const BERT = fixture('models/bert/bert.F32.gguf');
/** An SPM vocabulary with byte tokens. */
export const TIED_SPM = fixture('models/llama-tied-spm/llama-tied-spm.F32.gguf');

/** Two layers of four experts, two per token. */
export const EXPERTS = fixture('gguf/llama-quant-moe.MXFP4_MOE.gguf');

export const legacy = (type: string) => fixture(`models/llama-quant-legacy/llama-quant-legacy.${type}.gguf`);
export const k = (type: string) => fixture(`models/llama-quant-k/llama-quant-k.${type}.gguf`);

/** Token ids without meaning, the same on every run. */
export function someIds(count: number, vocabulary = 128): number[] {
  return Array.from({ length: count }, (_, i) => (i * i * 7 + i * 37 + 11) % vocabulary);
}
