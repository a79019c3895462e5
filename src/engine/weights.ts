/** A model's weights as its file has them: finds, checks and describes tensors for the compiler of programs. */
import { ModelError } from '../errors.ts';
import { typeLabel } from '../gguf/tensor-types.ts';
import type { GgufTensor } from '../gguf/types.ts';
import { formatOf, type ActivationForm, type WeightFormat } from '../kernels/formats.ts';
import type { ModelSpec } from './architectures/types.ts';

/** A weight matrix [rows, columns] or vector of a segment. */
export interface Weight {
  tensor: GgufTensor;
  rows: number;
  columns: number;
  /** Matrices of this size in the tensor, one per expert; default: it is one. */
  parts?: number;
  /** Undefined for vectors, which are kept as f32. */
  format?: WeightFormat;
}

/** The form in which an op's kernels take activations. */
export function formOf(weight: Weight, exact: boolean): ActivationForm {
  return exact ? 'f32' : weight.format!.form;
}

/** Finds, checks and describes the tensors of a model. */
export class Weights {
  private readonly spec: ModelSpec;

  constructor(spec: ModelSpec) {
    this.spec = spec;
  }

  has(name: string): boolean {
    return this.spec.tensors.has(name);
  }

  private get(name: string): GgufTensor {
    const tensor = this.spec.tensors.get(name);
    if (!tensor)
      throw new ModelError(`tensor ${name} is missing (architecture ${this.spec.architecture.name})`);
    return tensor;
  }

  matrix(name: string, rows: number, columns: number): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [columns, rows]);
    return { tensor, rows, columns, format: this.format(tensor, rows) };
  }

  /** A tensor of `parts` matrices. */
  parts(name: string, parts: number, rows: number, columns: number): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [columns, rows, parts]);
    return { tensor, rows, columns, parts, format: this.format(tensor, rows) };
  }

  private format(tensor: GgufTensor, rows: number): WeightFormat {
    const format = formatOf(tensor.type, rows);
    if (!format)
      throw new ModelError(`tensor ${tensor.name}: type ${typeLabel(tensor.type)} is not supported`);
    return format;
  }

  vector(name: string, length: number): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [length]);
    if (tensor.type !== 0) {
      throw new ModelError(`tensor ${name} has type ${typeLabel(tensor.type)}; vectors must be F32`);
    }
    return { tensor, rows: 1, columns: length };
  }

  optionalVector(name: string, length: number): Weight | undefined {
    return this.has(name) ? this.vector(name, length) : undefined;
  }

  private checkShape(tensor: GgufTensor, wanted: number[]): void {
    const shape = [...tensor.shape];
    while (shape.length > wanted.length && shape.at(-1) === 1) shape.pop();
    // A single expert: readers drop the last 1.
    while (shape.length < wanted.length) shape.push(1);
    if (shape.length !== wanted.length || shape.some((n, i) => n !== wanted[i])) {
      throw new ModelError(
        `tensor ${tensor.name} has shape ${tensor.shape.join(' x ')}; expected ${wanted.join(' x ')}`,
      );
    }
  }
}
