import type { Architecture } from './types.ts';

/** Heads and feed-forward width differ from layer to layer; fused qkv, norms on heads (arXiv:2404.14619). */
export const openelm: Architecture = { name: 'openelm', models: 'OpenELM', rope: 'neox', activation: 'silu' };
