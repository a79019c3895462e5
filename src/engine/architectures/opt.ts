import type { Architecture } from './types.ts';

/**
 * Learned positions, LayerNorm before each block, biases everywhere, ReLU (arXiv:2205.01068). llama.cpp has no OPT:
 * docs/architectures.md has the names of tensors and keys.
 */
export const opt: Architecture = {
  name: 'opt',
  models: 'OPT 125M, 1.3B and larger',
  rope: 'none',
  activation: 'relu',
  norm: 'layer',
};
