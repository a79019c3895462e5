/** Builds GGUF bytes: valid ones with the writer, broken ones by hand. */
import {
  memorySink,
  memorySource,
  readGguf,
  writeGguf,
  type GgufFile,
  type WritableGguf,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';

export async function build(model: Partial<WritableGguf>): Promise<Uint8Array<ArrayBuffer>> {
  const sink = memorySink();
  await writeGguf(sink, { metadata: new Map(), tensors: [], ...model });
  return sink.bytes();
}

export function pairs(values: Record<string, WritableValue>): Map<string, WritableValue> {
  return new Map(Object.entries(values));
}

export function f32Tensor(name: string, values: readonly number[], shape = [values.length]): WritableTensor {
  return { name, type: 0, shape, data: Float32Array.from(values) };
}

export function parse(bytes: Uint8Array): Promise<GgufFile> {
  return readGguf(memorySource(bytes, 'test.gguf'));
}

/** Puts down whatever it is told to, however wrong. */
export class RawGguf {
  private readonly parts: number[] = [];

  u8(...values: number[]): this {
    this.parts.push(...values);
    return this;
  }

  u32(value: number): this {
    return this.u64(BigInt(value), 4);
  }

  u64(value: bigint | number, bytes = 8): this {
    for (let i = 0; i < bytes; i++) this.parts.push(Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
    return this;
  }

  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.u64(bytes.length).u8(...bytes);
  }

  header(tensors: bigint | number, metadata: bigint | number, version = 3): this {
    return this.u8(0x47, 0x47, 0x55, 0x46).u32(version).u64(tensors).u64(metadata);
  }

  tensor(name: string, shape: (bigint | number)[], type: number, offset: bigint | number): this {
    this.string(name).u32(shape.length);
    for (const size of shape) this.u64(size);
    return this.u32(type).u64(offset);
  }

  pad(alignment = 32): this {
    while (this.parts.length % alignment !== 0) this.parts.push(0);
    return this;
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.parts.push(0);
    return this;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.parts);
  }
}
