import { GGMLQuantizationType } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import {
  FILE_TYPES,
  fileTypeByName,
  fileTypeName,
  rowBytes,
  TENSOR_TYPES,
  tensorBytes,
  tensorType,
  tensorTypeByName,
  typeLabel,
} from '../../src/gguf/index.ts';

describe('tensor types', () => {
  it('has the ids and names of @huggingface/gguf', () => {
    for (const [name, id] of Object.entries(GGMLQuantizationType)) {
      if (typeof id !== 'number') continue;
      expect(TENSOR_TYPES.get(id)?.name, name).toBe(name);
    }
  });

  it('stores every weight in a sane number of bits', () => {
    for (const type of TENSOR_TYPES.values()) {
      const bits = (type.bytesPerBlock * 8) / type.blockSize;
      expect(bits, type.name).toBeGreaterThan(1);
      expect(bits, type.name).toBeLessThanOrEqual(64);
    }
    // Bits per weight as llama.cpp states them.
    const bits = (name: string): number => {
      const type = tensorTypeByName(name)!;
      return (type.bytesPerBlock * 8) / type.blockSize;
    };
    expect(['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k'].map(bits)).toEqual([2.625, 3.4375, 4.5, 5.5, 6.5625]);
    expect(['iq2_xxs', 'iq2_xs', 'iq3_xxs', 'iq1_s', 'iq1_m', 'iq4_xs'].map(bits)).toEqual([
      2.0625, 2.3125, 3.0625, 1.5625, 1.75, 4.25,
    ]);
    expect(['tq1_0', 'tq2_0', 'mxfp4', 'q4_0', 'q8_0'].map(bits)).toEqual([1.6875, 2.0625, 4.25, 4.5, 8.5]);
  });

  it('knows the retired interleaved types as Q4_0 in size', () => {
    for (const id of [31, 32, 33]) expect(rowBytes(id, 64)).toBe(rowBytes(2, 64));
  });

  it('computes row and tensor sizes', () => {
    expect(rowBytes(0, 7)).toBe(28);
    expect(rowBytes(tensorType(12), 512)).toBe(288);
    expect(tensorBytes(2, [64, 3, 2])).toBe(36 * 6);
    expect(() => rowBytes(2, 33)).toThrow('33 weights is not a whole number of Q4_0 blocks of 32');
  });

  it('names types it does not know', () => {
    expect(() => tensorType(4)).toThrow('type 4 (Q4_2, withdrawn by llama.cpp)');
    expect(() => tensorType(36)).toThrow('IQ4_NL_4_4');
    expect(() => tensorType(99)).toThrow('type 99');
    expect(typeLabel(31)).toBe('Q4_0_4_4');
  });
});

describe('file types', () => {
  it("says them in llama.cpp's words", () => {
    expect(fileTypeName(0)).toBe('all F32');
    expect(fileTypeName(15)).toBe('Q4_K - Medium');
    expect(fileTypeName(38)).toBe('MXFP4 MoE');
    expect(fileTypeName(1024 + 7)).toBe('Q8_0 (guessed)');
    expect(fileTypeName(777)).toBe('unknown file type 777');
  });

  it('finds them by the name that quantize takes', () => {
    expect(fileTypeByName('q4_k_m')?.id).toBe(15);
    expect(fileTypeByName('Q9')).toBeUndefined();
    expect(new Set([...FILE_TYPES.values()].map((type) => type.name)).size).toBe(FILE_TYPES.size);
  });
});
