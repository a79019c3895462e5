/** The types of the model store's public API. */
import type { Environment } from '../platform/node/paths.ts';
import type { ModelEntry } from './list.ts';

export interface StoreProgress {
  stage: 'download' | 'verify';
  /** Bytes done and to do, over all files of the model; `totalBytes` is 0 where it is unknown. */
  bytes: number;
  totalBytes: number;
  /** Of this run; 0 until it can be told. */
  bytesPerSecond: number;
  /** Undefined until it can be told. */
  etaSeconds: number | undefined;
  /** Where the bytes come from: `hub`, `mirror`, `cache` (verify) or the URL's host. */
  source: string;
}

/** Limits of the network code, in milliseconds; for tests and for odd networks. */
export interface NetworkLimits {
  /** To connect; default 5,000. */
  connectMs: number;
  /** Without a byte (or the answer's head) before the connection is given up and resumed; default 30,000. */
  stallMs: number;
  /** Failures in a row, without progress between them, before giving up; default 5. */
  attempts: number;
  /** First pause before a new attempt, doubled each time up to 30 s; default 500. */
  backoffMs: number;
}

export interface StoreOptions {
  /** Folder of the store; default: NIBBLE_HOME, the XDG or system cache folder (platform/node/paths.ts). */
  home?: string;
  /** No network at all; default: NIBBLE_OFFLINE or HF_HUB_OFFLINE. */
  offline?: boolean;
  /** The hub's access token; default HF_TOKEN. Sent to the endpoint only. */
  token?: string;
  /** The hub; default HF_ENDPOINT or https://huggingface.co. */
  endpoint?: string;
  /** Called at most ten times a second, and at the end of each stage. */
  onProgress?: (progress: StoreProgress) => void;
  /** One line for the user: which source, why a fallback, who is waited for. */
  onNotice?: (line: string) => void;
  signal?: AbortSignal;
  network?: Partial<NetworkLimits>;
  /** Default process.env. */
  env?: Environment;
}

export interface ResolveOptions extends StoreOptions {
  /** `INT4` (best 4-bit file), `INT8` (Q8_0) or a quantization. */
  format?: string;
  /** Hash cached files in full instead of trusting size, time stamp and magic. */
  verify?: boolean;
}

export interface ResolvedModel {
  /** The file, or all shards in order. */
  paths: string[];
  /** `smollm2-135m:Q4_1`, `hf:owner/repo:Q8_0`, or the path or URL as given. */
  name: string;
  entry?: ModelEntry;
  quantization?: string;
  source: 'path' | 'cache' | 'hub' | 'mirror' | 'embedded';
  /** Of all files together. */
  bytes: number;
}

/** A model in the store. */
export interface CachedModel {
  name: string;
  quantization?: string;
  paths: string[];
  bytes: number;
  /** Where it came from. */
  source: 'hub' | 'mirror' | 'url';
  url: string;
  /** When, as an ISO 8601 time. */
  fetched: string;
}

/** A row of the table of models. */
export interface ListedModel {
  name: string;
  /** Absent for what was fetched by URL or from a repository outside the list. */
  entry?: ModelEntry;
  /** Of the default quantization, about. */
  approximateBytes?: number;
  /** Memory that the default quantization needs with 4096 positions, about. */
  approximateRam?: number;
  cached: CachedModel[];
}
