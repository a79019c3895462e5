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
    const format = formatOf(tensor.type, rows);
    if (!format) throw new ModelError(`tensor ${name}: type ${typeLabel(tensor.type)} is not supported`);
    return { tensor, rows, columns, format };
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
    if (shape.length !== wanted.length || shape.some((n, i) => n !== wanted[i])) {
      throw new ModelError(
        `tensor ${tensor.name} has shape ${tensor.shape.join(' x ')}; expected ${wanted.join(' x ')}`,
      );
    }
  }
}
