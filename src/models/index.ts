/** The model list and store: names, downloads, cache. */
export { listModels, pullModel, removeModel } from './manage.ts';
export {
  CHECKPOINT_PATHS,
  parseSnapshotSpec,
  pullSnapshot,
  type Snapshot,
  type SnapshotOptions,
} from './snapshot.ts';
export { resolveModel } from './resolve.ts';
export { modelNames, parseFormat, parseModelSpec, smallerModel, type ModelSpec } from './spec.ts';
export { approximateBytes, approximateRam, DEFAULT_MODEL, findEntry, MODELS } from './list.ts';
export type { Mirror, MirrorPart, ModelEntry } from './list.ts';
export type {
  CachedModel,
  ListedModel,
  NetworkLimits,
  ResolvedModel,
  ResolveOptions,
  StoreOptions,
  StoreProgress,
} from './types.ts';
