/**
 * What a sane file stays far below. Every count and length is checked against the bytes that the file really
 * has; these limits stop what would fit into a large hostile file and still cost too much memory: JavaScript
 * needs 8 to 200 bytes for a value that takes 1 to 12 bytes in the file.
 */
export const LIMITS = {
  /** Header, metadata and tensor list together, per file. Today's largest vocabularies take 20 MB. */
  headerBytes: 256 * 2 ** 20,
  metadataPairs: 2 ** 16,
  keyBytes: 65_535,
  /** One string value: a whole tokenizer.json may be in it. */
  stringBytes: 64 * 2 ** 20,
  /** Elements of string and boolean arrays, over the whole file. */
  listElements: 2 ** 24,
  /** Arrays inside arrays, over the whole file, and how deep. */
  nestedArrays: 2 ** 16,
  nestingDepth: 4,
  tensors: 2 ** 18,
  tensorNameBytes: 1024,
  dimensions: 4,
  alignment: 2 ** 20,
  /** split.count is a u16. */
  splitCount: 65_535,
} as const;
