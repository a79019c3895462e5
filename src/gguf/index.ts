/** GGUF files: read, check, look into, write. Nothing here knows a model. */
export * from './types.ts';
export { closeGguf, readGguf, type ReadOptions } from './reader.ts';
export {
  listShards,
  openGguf,
  parseShardName,
  shardName,
  type OpenSource,
  type ShardName,
} from './shards.ts';
export { blobSource, httpSource, memorySource, type HttpSourceOptions } from './sources.ts';
export { findTensor, getTensor, readTensor } from './tensors.ts';
export * from './metadata.ts';
export {
  rowBytes,
  TENSOR_TYPES,
  tensorBytes,
  tensorType,
  tensorTypeByName,
  typeLabel,
  type TensorType,
} from './tensor-types.ts';
export { FILE_TYPES, fileTypeByName, fileTypeName, type FileType } from './file-types.ts';
export type { NumericArray, NumericType, ScalarType, ValueType } from './value-types.ts';
export { LIMITS } from './limits.ts';
export {
  copyMetadata,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  typed,
  u16,
  u32,
  u64,
  u8,
  type Typed,
  type WritableValue,
} from './writable.ts';
export { memorySink, type ByteSink, type MemorySink } from './sinks.ts';
export {
  writeGguf,
  type TensorData,
  type WritableGguf,
  type WritableTensor,
  type WriteOptions,
} from './writer.ts';
export { plannedFiles, saveGguf, type OpenSink, type SaveOptions } from './save.ts';
