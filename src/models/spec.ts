/**
 * What the user may write for MODEL: a path, a name from the list (`name` or `name:QUANT`), a URL, or
 * `hf:owner/repo[:QUANT|/FILE]`. Only text is looked at here, no file system and no network.
 */
import { UsageError } from '../errors.ts';
import { DEFAULT_MODEL, findEntry, MODELS, type ModelEntry } from './list.ts';
import { nextSmaller, quantizationName } from './quantization.ts';

export type ModelSpec =
  | { kind: 'path'; text: string; path: string }
  | { kind: 'url'; text: string; url: string }
  | { kind: 'hub'; text: string; repository: string; quantization?: string; file?: string }
  | { kind: 'name'; text: string; entry: ModelEntry; quantization?: string };

/**
 * Reads MODEL; undefined is the default model. `format` is `INT4`, `INT8` or a quantization; it stands for the
 * `:QUANT` that the text leaves out and may not contradict one. Throws UsageError on bad syntax.
 *
 * A name from the list wins over a file of that name in the working folder: `./name` is the file.
 */
export function parseModelSpec(text: string | undefined, options: { format?: string } = {}): ModelSpec {
  const wish = options.format === undefined ? undefined : parseFormat(options.format);
  const spec = parse((text ?? DEFAULT_MODEL).trim());
  if (wish === undefined || spec.kind === 'path' || spec.kind === 'url') return spec;
  if (spec.kind === 'hub' && spec.file !== undefined) return spec;
  if (spec.quantization !== undefined && !agrees(spec.quantization, wish)) {
    throw new UsageError(
      `${spec.text} names ${spec.quantization}, the format option ${wish}: give one of them`,
    );
  }
  return { ...spec, quantization: spec.quantization ?? wish };
}

/** `INT4`, `INT8` or a quantization's name in upper case. */
export function parseFormat(text: string): string {
  const upper = text.toUpperCase();
  const name = upper === 'INT4' || upper === 'INT8' ? upper : quantizationName(text);
  if (name === undefined) {
    throw new UsageError(`unknown format ${text}: INT4, INT8 or a GGUF quantization such as Q4_K_M or Q8_0`);
  }
  return name;
}

/**
 * The next smaller quantization of the same list entry, as text for resolveModel: `smollm2-135m:Q4_0`.
 * Undefined when there is none, or when the model is not from the list.
 */
export function smallerModel(name: string, quantization: string): string | undefined {
  const entry = findEntry(name.split(':')[0]!);
  const smaller = entry && nextSmaller(quantization, entry.quantizations);
  return smaller === undefined ? undefined : `${entry!.name}:${smaller}`;
}

function parse(text: string): ModelSpec {
  if (text === '') {
    throw new UsageError('no model: give a path, a name from the list (nibble list), a URL or hf:owner/repo');
  }
  if (/^hf:/i.test(text)) return parseHub(text);
  if (/^https?:\/\//i.test(text)) return parseUrl(text);
  const [name, quantization, ...more] = text.split(':');
  const entry = findEntry(name!);
  if (entry === undefined || more.length > 0) return { kind: 'path', text, path: text };
  if (quantization === undefined) return { kind: 'name', text, entry };
  return { kind: 'name', text, entry, quantization: parseFormat(quantization) };
}

function parseHub(text: string): ModelSpec {
  // hf:owner/repo, hf:owner/repo:QUANT, hf:owner/repo/folder/FILE.gguf
  const match = /^hf:(?:\/\/)?([\w.-]+\/[\w.-]+)(?::([\w.-]+)|\/(.+))?$/i.exec(text);
  const repository = match?.[1];
  if (!match || !repository || repository.split('/').some((part) => /^\.+$/.test(part))) {
    throw new UsageError(`${text}: expected hf:owner/repo, hf:owner/repo:QUANT or hf:owner/repo/FILE.gguf`);
  }
  if (match[3] !== undefined) return { kind: 'hub', text, repository, file: match[3] };
  if (match[2] === undefined) return { kind: 'hub', text, repository };
  return { kind: 'hub', text, repository, quantization: parseFormat(match[2]) };
}

function parseUrl(text: string): ModelSpec {
  if (!URL.canParse(text)) throw new UsageError(`not a URL: ${text}`);
  const url = new URL(text);
  url.hash = '';
  // A file's address or page on the hub: as a hub file, its checksum can be had and HF_ENDPOINT applies.
  const file = /^\/([\w.-]+\/[\w.-]+)\/(?:resolve|blob)\/main\/(.+)$/.exec(url.pathname);
  if (file && /^(huggingface\.co|hf\.co)$/.test(url.host)) {
    return { kind: 'hub', text, repository: file[1]!, file: decodeURIComponent(file[2]!) };
  }
  return { kind: 'url', text, url: url.href };
}

function agrees(quantization: string, wish: string): boolean {
  if (wish === quantization) return true;
  if (wish === 'INT8') return quantization === 'Q8_0';
  return wish === 'INT4' && /^I?Q4_/.test(quantization);
}

/** All names of the list. */
export function modelNames(): string[] {
  return MODELS.map((entry) => entry.name);
}
