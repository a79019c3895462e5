/** StoreOptions and the environment, made definite once per call. */
import { UsageError } from '../errors.ts';
import type { Environment } from '../platform/node/paths.ts';
import type { NetworkLimits, StoreOptions, StoreProgress } from './types.ts';

const DEFAULT_LIMITS: NetworkLimits = { connectMs: 5_000, stallMs: 30_000, attempts: 5, backoffMs: 500 };

export interface Settings {
  home: string | undefined;
  offline: boolean;
  token: string | undefined;
  /** Without a slash at the end. */
  endpoint: string;
  limits: NetworkLimits;
  env: Environment;
  onProgress: (progress: StoreProgress) => void;
  onNotice: (line: string) => void;
  signal: AbortSignal | undefined;
}

/** Throws UsageError for an endpoint that is no http(s) URL. */
export function settingsOf(options: StoreOptions): Settings {
  const env = options.env ?? process.env;
  return {
    home: options.home,
    offline: options.offline ?? (isOn(env['NIBBLE_OFFLINE']) || isOn(env['HF_HUB_OFFLINE'])),
    token: options.token ?? (env['HF_TOKEN'] || undefined),
    endpoint: parseEndpoint(options.endpoint ?? (env['HF_ENDPOINT'] || 'https://huggingface.co')),
    limits: { ...DEFAULT_LIMITS, ...options.network },
    env,
    onProgress: options.onProgress ?? (() => undefined),
    onNotice: options.onNotice ?? (() => undefined),
    signal: options.signal,
  };
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/i.test(value);
}

function parseEndpoint(text: string): string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    throw new UsageError(`the hub's endpoint (HF_ENDPOINT) must be an http or https URL, not ${text}`);
  }
  return text.replace(/\/+$/, '');
}
