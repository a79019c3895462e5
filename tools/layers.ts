/** Names of tensors, as GGUF has them: `blk.LAYER.ROLE.weight`, `.bias`, `.scale`. */

/** The layer that a tensor belongs to; -1: none. */
export function layerOf(name: string): number {
  return Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
}

/** The part of a layer, such as `attn_q` of `blk.3.attn_q.weight`; undefined for tensors of no layer. */
export function partOf(name: string): string | undefined {
  return /^blk\.\d+\.(\w+)\.\w+$/.exec(name)?.[1];
}
