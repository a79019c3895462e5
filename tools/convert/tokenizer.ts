/** The tokenizer and the chat template of a checkpoint folder, or of another one where it has none. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../../src/errors.ts';
import { u32, type WritableValue } from '../../src/gguf/writable.ts';
import { ggufTokenizerMetadata, TOKENIZER_FILES } from '../../src/tokenizer/hf/index.ts';
import { isObject, type Config } from './config.ts';

/** A larger file is no tokenizer: the vocabularies of today take 35 MB. */
const MAX_BYTES = 512 << 20;
/** One of these holds the tokens; the others only say more about them. */
const VOCABULARIES =
  /^(tokenizer\.json|tokenizer\.model|spiece\.model|sentencepiece\.bpe\.model|vocab\.txt|vocab\.json)$/;
const TEMPLATES = 'chat_template.jinja';
const MORE_TEMPLATES = 'additional_chat_templates';

export interface TokenizerSource {
  /** A folder with tokenizer files, or one of the files. */
  path: string;
  /** Rows of the embedding. */
  vocabularySize: number;
  onNotice: (line: string) => void;
}

/**
 * The model's name, changed where it would change how text is read: llama.cpp, and nibble with it, drops spaces after
 * the special tokens of models called phi-3 or phi3, because GGUF cannot say it of a token. That is right for Phi 3
 * itself, whose tokenizer.json says so, and wrong for a model that only bears the name.
 */
export async function safeName(name: string, tokenizer: string): Promise<string> {
  if (!/phi-?3/i.test(name)) return name;
  const json = (await readFiles(tokenizer)).get('tokenizer.json');
  const text = json === undefined ? '' : new TextDecoder().decode(json);
  return json === undefined || /"rstrip"\s*:\s*true/.test(text)
    ? name
    : name.replace(/(phi)-?(3)/gi, '$1 $2');
}

/** `tokenizer.*`. Throws CheckpointError or TokenizerError when there is no vocabulary, or none that can be used. */
export async function tokenizerMetadata(
  folder: string,
  { path, vocabularySize, onNotice }: TokenizerSource,
): Promise<Map<string, WritableValue>> {
  const files = await readFiles(path);
  // Ids of special tokens may stand in the checkpoint's own files, whoever made the vocabulary.
  if (path !== folder) {
    for (const [name, bytes] of await readFiles(folder)) if (!files.has(name)) files.set(name, bytes);
  }
  const metadata = ggufTokenizerMetadata(files, { vocabularySize, onWarning: onNotice });
  for (const [key, value] of await chatTemplates(files, path === folder ? folder : path))
    metadata.set(key, value);
  return metadata;
}

/** Whether a folder has a vocabulary. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((file) => VOCABULARIES.test(file));
}

/** For a checkpoint that has none: llama.cpp's word for a model that takes ids and gives ids. */
export function withoutTokenizer(config: Config): Map<string, WritableValue> {
  const metadata = new Map<string, WritableValue>([['tokenizer.ggml.model', 'none']]);
  for (const name of ['bos', 'eos']) {
    const id = config.find(`${name}_token_id`);
    if (typeof id === 'number') metadata.set(`tokenizer.ggml.${name}_token_id`, u32(id));
  }
  return metadata;
}

/** Tokenizer files by name: of a folder, or of the folder of the file that was named, without other vocabularies. */
async function readFiles(path: string): Promise<Map<string, Uint8Array>> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new CheckpointError(`${path}: no such tokenizer file or folder`, { cause });
  });
  const folder = status.isDirectory() ? path : dirname(path);
  const only = status.isDirectory() ? undefined : basename(path);
  if (only !== undefined && !VOCABULARIES.test(only)) {
    throw new CheckpointError(`${path}: is not a tokenizer: tokenizer.json, tokenizer.model or vocab.txt is`);
  }
  const files = new Map<string, Uint8Array>();
  const wanted: readonly string[] = [...TOKENIZER_FILES, TEMPLATES];
  for (const name of await readdir(folder)) {
    if (!wanted.includes(name) || (only !== undefined && name !== only && VOCABULARIES.test(name))) continue;
    const file = join(folder, name);
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new CheckpointError(`${file}: ${size} bytes are too many for a tokenizer`);
    files.set(name, await readFile(file));
  }
  return files;
}

/**
 * tokenizer.chat_template, and others by name as tokenizer.chat_template.NAME: from chat_template.jinja and
 * additional_chat_templates/ (transformers 5), or tokenizer_config.json, a text or a list of names and texts.
 */
async function chatTemplates(
  files: ReadonlyMap<string, Uint8Array>,
  folder: string,
): Promise<Map<string, string>> {
  const named = new Map<string, string>();
  const config = files.get('tokenizer_config.json');
  const json: unknown = config === undefined ? {} : JSON.parse(new TextDecoder().decode(config));
  const given = isObject(json) ? json['chat_template'] : undefined;
  if (typeof given === 'string') named.set('default', given);
  if (Array.isArray(given)) {
    for (const entry of given) {
      if (isObject(entry) && typeof entry['name'] === 'string' && typeof entry['template'] === 'string') {
        named.set(entry['name'], entry['template']);
      }
    }
  }
  const file = files.get(TEMPLATES);
  if (file !== undefined) named.set('default', new TextDecoder().decode(file));
  for (const name of await readdir(join(folder, MORE_TEMPLATES)).catch(() => [])) {
    if (!/^[\w-]+\.jinja$/.test(name)) continue;
    named.set(name.replace(/\.jinja$/, ''), await readFile(join(folder, MORE_TEMPLATES, name), 'utf8'));
  }
  const key = (name: string): string => (name === 'default' ? '' : `.${name}`);
  return new Map([...named].map(([name, text]) => [`tokenizer.chat_template${key(name)}`, text]));
}
