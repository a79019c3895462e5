/** A model's weights as its file has them: finds, checks and describes tensors for the compiler of programs. */
import { ModelError } from '../errors.ts';
import { typeLabel } from '../gguf/tensor-types.ts';
import type { GgufTensor } from '../gguf/types.ts';
import {
  formatOf,
  I8,
  inLayout,
  layoutsOf,
  type ActivationForm,
  type WeightFormat,
} from '../kernels/formats.ts';
import type { ModelSpec } from './architectures/types.ts';

/** A weight matrix [rows, columns] or vector of a segment: a tensor, or a range of its rows. */
export interface Weight {
  tensor: GgufTensor;
  /** The tensor's name, and which rows where it is a part. */
  key: string;
  /** First row of the matrix, or element of the vector, in the tensor. */
  first: number;
  rows: number;
  columns: number;
  /** Several such matrices, one per expert or head, and the rows from one to the next in the tensor. */
  parts?: { count: number; step: number };
  /** The tensor's rows are the matrix's columns; it is kept as F32. This is the tensor's format. */
  transposed?: WeightFormat;
  /** Undefined for vectors, which are kept as f32. */
  format?: WeightFormat;
  /** One step of an input that is quantized with a scale known beforehand: of I8 weights. */
  inputScale?: number;
}

const F32 = formatOf(0, 1)!;

/** A norm's weight and, of a LayerNorm, bias. */
export interface Norm {
  weight: Weight;
  bias?: Weight;
}

/** The form in which an op's kernels take activations. Where the file prescribes it, it is that, `exact` or not. */
export function formOf(weight: Weight, exact: boolean): ActivationForm {
  const { form } = weight.format!;
  return exact && form !== 'static' ? 'f32' : form;
}

/** A range of a tensor's rows, and how many the tensor has. */
interface Part {
  first: number;
  of: number;
}

/** What sums of I8 weights are multiplied with: a number, and one for each row where the file has that. */
export interface SumScale {
  value: number;
  rows?: Weight;
}

/** A matrix and, where the file has one, its bias. */
export interface Linear {
  weight: Weight;
  bias?: Weight;
  /** Of I8 weights. */
  scale?: SumScale;
}

function keyOf(name: string, rows: number, { first, of }: Part): string {
  return rows === of ? name : `${name} ${first}..${first + rows - 1}`;
}

/** Finds, checks and describes the tensors of a model. */
export class Weights {
  private readonly spec: ModelSpec;
  private readonly layout?: string;

  /** @param layout the run-time layout of matrices whose format has it; the others have their default one */
  constructor(spec: ModelSpec, layout?: string) {
    this.spec = spec;
    this.layout = layout;
  }

  has(name: string): boolean {
    return this.spec.tensors.has(name);
  }

  rowsOf(name: string): number | undefined {
    return this.spec.tensors.get(name)?.shape[1];
  }

  private get(name: string): GgufTensor {
    const tensor = this.spec.tensors.get(name);
    if (!tensor)
      throw new ModelError(`tensor ${name} is missing (architecture ${this.spec.architecture.name})`);
    return tensor;
  }

  /**
   * A matrix whose rows stand for themselves, not of type I8: its numbers mean nothing without scales, see `linear`.
   *
   * @param part the first of these rows, where the tensor has `of` rows in all
   */
  matrix(name: string, rows: number, columns: number, part?: Part): Weight {
    const weight = this.anyMatrix(name, rows, columns, part);
    this.refuseInt8(weight);
    return weight;
  }

  private refuseInt8({ tensor, format }: Weight): void {
    if (format === I8) throw new ModelError(`tensor ${tensor.name}: type I8 is only for linear layers`);
  }

  private anyMatrix(
    name: string,
    rows: number,
    columns: number,
    part: Part = { first: 0, of: rows },
  ): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [columns, part.of]);
    const format = this.format(tensor, part.of);
    const { interleave = 1 } = format;
    if (part.first % interleave !== 0 || rows % interleave !== 0) {
      throw new ModelError(
        `tensor ${name}: its parts cut the interleaved rows of type ${typeLabel(tensor.type)}`,
      );
    }
    return { tensor, key: keyOf(name, rows, part), first: part.first, rows, columns, format };
  }

  /** A tensor of `count` matrices. */
  parts(name: string, count: number, rows: number, columns: number): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [columns, rows, count]);
    const parts = { count, step: rows };
    const weight = { tensor, key: name, first: 0, rows, columns, parts, format: this.format(tensor, rows) };
    this.refuseInt8(weight);
    return weight;
  }

  /** `count` matrices of `rows` rows each, which lie `step` rows apart in one matrix. */
  cut(
    whole: Weight,
    count: number,
    { first, rows, step }: { first: number; rows: number; step: number },
  ): Weight {
    const key = `${whole.key} ${first}..${first + rows - 1} of ${step}`;
    return { ...whole, key, first, rows, parts: { count, step } };
  }

  /** The same with their rows and columns exchanged. */
  cutTransposed(whole: Weight, count: number, part: { first: number; rows: number; step: number }): Weight {
    const cut = this.cut(whole, count, part);
    return {
      ...cut,
      key: `${cut.key} transposed`,
      rows: cut.columns,
      columns: cut.rows,
      format: F32,
      // Its bytes are only read once, in the default layout.
      transposed: layoutsOf(cut.format!)[0],
    };
  }

  private format(tensor: GgufTensor, rows: number): WeightFormat {
    const format = formatOf(tensor.type, rows);
    if (!format)
      throw new ModelError(`tensor ${tensor.name}: type ${typeLabel(tensor.type)} is not supported`);
    return (this.layout !== undefined && inLayout(format, this.layout)) || format;
  }

  vector(name: string, length: number, part: Part = { first: 0, of: length }): Weight {
    const tensor = this.get(name);
    this.checkShape(tensor, [part.of]);
    if (tensor.type !== 0) {
      throw new ModelError(`tensor ${name} has type ${typeLabel(tensor.type)}; vectors must be F32`);
    }
    return { tensor, key: keyOf(name, length, part), first: part.first, rows: 1, columns: length };
  }

  optionalVector(name: string, length: number, part?: Part): Weight | undefined {
    return this.has(name) ? this.vector(name, length, part) : undefined;
  }

  norm(name: string, width: number): Norm {
    return {
      weight: this.vector(`${name}.weight`, width),
      bias: this.optionalVector(`${name}.bias`, width),
    };
  }

  linear(name: string, rows: number, columns: number, part?: Part): Linear {
    const weight = this.anyMatrix(`${name}.weight`, rows, columns, part);
    const bias = this.optionalVector(`${name}.bias`, rows, part);
    if (weight.format !== I8) return { weight, bias };
    if (columns % 32 !== 0) {
      throw new ModelError(
        `tensor ${name}.weight: ${columns} columns; of type I8 they must be a multiple of 32`,
      );
    }
    const inputScale = this.has(`${name}.input_scale`) ? this.number(`${name}.input_scale`) : 1;
    return { weight: { ...weight, inputScale }, bias, scale: this.sumScale(`${name}.scale`, rows, part) };
  }

  /** A scale that is the same for a whole tensor. */
  number(name: string): number {
    this.checkShape(this.get(name), [1]);
    return this.spec.scales.get(name)![0]!;
  }

  private sumScale(name: string, rows: number, part?: Part): SumScale {
    if ((this.get(name).shape[0] ?? 1) === 1) return { value: this.number(name) };
    return { value: 1, rows: this.vector(name, rows, part) };
  }

  /** Matrices of `rows` each: tensors of their own, or ranges of the rows of `fused` where the file has that. */
  linears(fused: string, names: readonly string[], rows: readonly number[], columns: number): Linear[] {
    const of = rows.reduce((a, b) => a + b);
    let next = 0;
    return rows.map((count, i) => {
      const first = next;
      next += count;
      return this.has(`${fused}.weight`)
        ? this.linear(fused, count, columns, { first, of })
        : this.linear(names[i]!, count, columns);
    });
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
