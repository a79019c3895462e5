/** Which tensor becomes what: a mix and the user's wishes applied to a file. Nothing is read but its header. */
import { GgufError, UsageError } from '../../src/errors.ts';
import { findNumber, type Metadata } from '../../src/gguf/metadata.ts';
import { tensorBytes, tensorType, tensorTypeByName, type TensorType } from '../../src/gguf/tensor-types.ts';
import type { GgufFile, GgufTensor } from '../../src/gguf/types.ts';
import { layerOf } from '../layers.ts';
import { QUANTIZED_TYPES } from './kernels.ts';
import { FALLBACKS, mixByName, MIXES, ruledType, type Mix, type Role } from './mixes.ts';

export interface PlanOptions {
  /** A mix such as Q4_K_M, or F16, BF16, F32. */
  type: string;
  /** Also from quantized tensors, which loses more than quantizing the original. */
  allowRequantize?: boolean;
  /** The mix's type for every matrix, without its rules. */
  pure?: boolean;
  /** Types for tensors whose name matches, in the place of the mix's; the first match counts. */
  tensorTypes?: readonly { pattern: RegExp; type: string }[];
  outputTensorType?: string;
  tokenEmbeddingType?: string;
  /** output.weight stays as it is. */
  leaveOutputTensor?: boolean;
  /** There is an importance matrix. */
  imatrix?: boolean;
}

export interface PlannedTensor {
  tensor: GgufTensor;
  /** Rows of all matrices, and columns. */
  rows: number;
  columns: number;
  /** Matrices: experts, else 1. */
  parts: number;
  type: TensorType;
  bytes: number;
  /** The type that its columns did not allow. */
  instead?: string;
}

export interface Plan {
  mix: Mix;
  /** In llama.cpp's order: what belongs to no layer, then layer by layer, by name. */
  tensors: PlannedTensor[];
  weights: number;
  oldBytes: number;
  newBytes: number;
}

/** Names of matrices that stay as they are: small, or addressed by row. Norms and vectors stay anyway. */
const KEPT =
  /_norm\.weight|ffn_gate_inp\.weight|altup|laurel|per_layer_model_proj|^position_embd\.weight$|^token_types\.weight$|ssm_conv1d|shortconv\.conv\.weight|time_mix_(first|w[012]|v[012]|a[012]|g[12]|decay_w[12]|lerp_fused)\.weight|attn_rel_b\.weight/;
const PLAIN = new Set(['F32', 'F16', 'BF16']);
/** Types of other data than weights. */
const DATA = new Set(['I8', 'I16', 'I32', 'I64', 'F64']);

function roleOf(name: string): Role {
  if (name === 'output.weight') return 'output';
  if (name === 'token_embd.weight') return 'embedding';
  if (/attn_(v|qkv|kv_b)\.weight/.test(name)) return 'attn_v';
  if (name.includes('attn_k.weight')) return 'attn_k';
  if (name.includes('attn_output.weight')) return 'attn_output';
  return name.includes('ffn_down') ? 'ffn_down' : 'other';
}

/** @throws UsageError for a name that is no type */
function typeNamed(name: string, option: string): TensorType {
  const type = tensorTypeByName(name);
  if (type && (QUANTIZED_TYPES as readonly string[]).includes(type.name)) return type;
  throw new UsageError(`${option}: ${name} is not one of ${QUANTIZED_TYPES.join(', ')}`);
}

/** @throws UsageError for --leave-output-tensor where another option contradicts it, or there is none */
function checkOutputTensor({ tensors }: GgufFile, options: PlanOptions): void {
  const { outputTensorType, leaveOutputTensor } = options;
  if (!leaveOutputTensor) return;
  if (outputTensorType !== undefined) {
    throw new UsageError('--leave-output-tensor and --output-tensor-type contradict each other');
  }
  if (!tensors.some(({ name }) => name === 'output.weight')) {
    throw new UsageError(
      '--leave-output-tensor: the file has no output.weight; its embedding serves as both, see --token-embedding-type',
    );
  }
}

/**
 * @throws UsageError for an unknown type, for quantized tensors without `allowRequantize`, and for options that fit no
 *   tensor; GgufError for a file without an architecture
 */
export function planQuantization(file: GgufFile, options: PlanOptions): Plan {
  const mix = mixByName(options.type);
  if (!mix) {
    throw new UsageError(`${options.type} is not one of ${MIXES.map(({ name }) => name).join(', ')}`);
  }
  checkOutputTensor(file, options);
  const order = (a: GgufTensor, b: GgufTensor): number =>
    layerOf(a.name) - layerOf(b.name) || (a.name < b.name ? -1 : 1);
  const chooser = new TypeChooser(file, mix, options);
  const tensors = [...file.tensors].sort(order).map((tensor) => chooser.plan(tensor));
  // A misspelt pattern would be found out when the model answers worse.
  const idle = options.tensorTypes?.find((wish) => !chooser.granted.has(wish));
  if (idle) {
    throw new UsageError(
      `--tensor-type: ${idle.pattern.source} matches the name of no matrix, or of none that other options leave to it`,
    );
  }
  if (mix.name === 'Q2_K_S' && !options.imatrix) {
    const needy = tensors.find(({ tensor, type }) => type.name === 'Q2_K' && tensor.type !== type.id);
    if (needy) throw new UsageError('Q2_K_S is useless without an importance matrix: give --imatrix FILE');
  }
  const sum = (f: (tensor: PlannedTensor) => number): number => tensors.reduce((a, b) => a + f(b), 0);
  return {
    mix,
    tensors,
    weights: sum(({ rows, columns }) => rows * columns),
    oldBytes: sum(({ tensor }) => tensor.byteLength),
    newBytes: sum(({ bytes }) => bytes),
  };
}

/** Chooses tensor by tensor, in the order of the plan: some rules count. */
class TypeChooser {
  private readonly mix: Mix;
  private readonly base: TensorType;
  private readonly options: PlanOptions;
  private readonly tied: boolean;
  private readonly experts: number;
  private readonly layers: number;
  private readonly grouped: boolean;
  /** Llama 2 and 3 70B: eight times fewer rows in attn_v than in attn_q. */
  private readonly large: boolean;
  private readonly values: number;
  private readonly seen = new Map<Role, number>();
  /** Which of options.tensorTypes have come to bear. */
  readonly granted = new Set<{ pattern: RegExp }>();

  constructor(file: GgufFile, mix: Mix, options: PlanOptions) {
    const { metadata, tensors } = file;
    const architecture = metadata.get('general.architecture');
    if (typeof architecture !== 'string') {
      throw new GgufError(`${file.sources[0]?.name ?? 'GGUF'}: general.architecture is missing: not a model`);
    }
    const number = (key: string): number => firstNumber(metadata, `${architecture}.${key}`);
    this.mix = mix;
    this.base = tensorTypeByName(mix.type)!;
    this.options = options;
    this.tied = !tensors.some(({ name }) => name === 'output.weight');
    this.experts = number('expert_count');
    this.layers = number('block_count');
    const heads = number('attention.head_count');
    const kvHeads = number('attention.head_count_kv') || heads;
    this.grouped = kvHeads > 0 && heads / kvHeads >= 4;
    this.large = this.layers === 80 && heads !== kvHeads;
    this.values = tensors.filter(({ name }) => roleOf(name) === 'attn_v').length;
  }

  plan(tensor: GgufTensor): PlannedTensor {
    const [columns = 1, ...others] = tensor.shape;
    const rows = others.reduce((a, b) => a * b, 1);
    const parts = others.slice(1).reduce((a, b) => a * b, 1);
    const old = tensorType(tensor.type);
    const { type, instead } = this.isQuantized(tensor, old) ? this.choose(tensor, parts) : { type: old };
    if (type.id !== old.id && !PLAIN.has(old.name) && !this.options.allowRequantize) {
      throw new UsageError(
        `${tensor.name} is ${old.name} already: quantize the original model, or accept the loss with --allow-requantize`,
      );
    }
    return { tensor, rows, columns, parts, type, bytes: tensorBytes(type, tensor.shape), instead };
  }

  /** Matrices of weights, apart from a few. */
  private isQuantized({ name, shape }: GgufTensor, old: TensorType): boolean {
    if (DATA.has(old.name) || !shape.slice(1).some((size) => size > 1)) return false;
    if (!name.endsWith('weight') || KEPT.test(name)) return false;
    return !(this.options.leaveOutputTensor && name === 'output.weight');
  }

  private choose({ name, shape }: GgufTensor, parts: number): { type: TensorType; instead?: string } {
    const { outputTensorType, tokenEmbeddingType, tensorTypes = [], pure } = this.options;
    const role = roleOf(name);
    const columns = shape[0]!;
    if (tokenEmbeddingType !== undefined && role === 'embedding') {
      return fitting(typeNamed(tokenEmbeddingType, '--token-embedding-type'), columns);
    }
    if (outputTensorType !== undefined && (role === 'output' || (role === 'embedding' && this.tied))) {
      return fitting(typeNamed(outputTensorType, '--output-tensor-type'), columns);
    }
    const wish = tensorTypes.find(({ pattern }) => pattern.test(name));
    if (wish) {
      this.granted.add(wish);
      return fitting(typeNamed(wish.type, '--tensor-type'), columns);
    }
    if (pure || PLAIN.has(this.base.name)) return fitting(this.base, columns);
    return fitting(this.ruled(name, role, columns, parts), columns);
  }

  private ruled(name: string, role: Role, columns: number, parts: number): TensorType {
    if (role === 'output' || (role === 'embedding' && this.tied)) return this.outputType(columns);
    if (this.mix.name === 'MXFP4_MOE') return tensorTypeByName(parts > 1 ? 'MXFP4' : 'Q8_0')!;
    const before = this.seen.get(role) ?? 0;
    this.seen.set(role, before + 1);
    // Not every layer of such a model need have experts.
    const index = role === 'ffn_down' && this.experts > 1 ? layerOf(name) : before;
    const count = role === 'attn_v' ? this.values : this.layers;
    const place = { index, count, grouped: this.grouped, imatrix: this.options.imatrix ?? false };
    let type = ruledType(this.mix, role, place);
    if (role === 'attn_v' && this.large && (type === 'Q3_K' || type === 'Q4_K')) type = 'Q5_K';
    if (this.experts === 8) {
      // These are small beside eight experts.
      if (role === 'attn_v' || role === 'attn_k') type = 'Q8_0';
      if (role === 'attn_output') type = this.mix.outputOfEight ?? this.mix.type;
    }
    return tensorTypeByName(type)!;
  }

  /** The matrix that makes the logits, also where it is the embedding. */
  private outputType(columns: number): TensorType {
    const plain = this.mix.name === 'MXFP4_MOE' || columns % this.base.blockSize !== 0;
    return tensorTypeByName(plain || this.base.name === 'Q8_0' ? 'Q8_0' : 'Q6_K')!;
  }
}

/** The type itself, or what its columns allow. */
function fitting(type: TensorType, columns: number): { type: TensorType; instead?: string } {
  if (columns % type.blockSize === 0) return { type };
  const fallback = tensorTypeByName(FALLBACKS[type.name] ?? 'F16')!;
  return {
    type: columns % fallback.blockSize === 0 ? fallback : tensorTypeByName('F16')!,
    instead: type.name,
  };
}

/** A number, or the first of a list with one per layer; 0 where there is none. */
function firstNumber(metadata: Metadata, key: string): number {
  const value = metadata.get(key);
  if (typeof value === 'object' && 'length' in value) return Number(value[0] ?? 0);
  return findNumber(metadata, key) ?? 0;
}
