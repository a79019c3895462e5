/** `nibble inspect FILE`. Only header, metadata and the list of tensors are read, also over HTTP. */
import { findString, type GgufFile } from '../../gguf/index.ts';
import type { CliContext } from '../context.ts';
import { loadOptionsOf } from '../options.ts';
import { bytesText, parametersText } from '../text.ts';
import { estimate, type Estimate } from './estimate.ts';
import type { InspectFlags } from './flags.ts';
import { withFile } from './with-file.ts';
import { fileTypeOf, jsonValue, metadataTable, parameterCount, tensorTable, typeTotals } from './metadata.ts';
import { typedView, type TypedView } from './typed-view.ts';

export async function inspectFile(context: CliContext, what: string, flags: InspectFlags): Promise<void> {
  await withFile(context, what, flags, async (file, path) => {
    const memory = await estimate(file, loadOptionsOf(flags));
    const typed = await typedView(path, findString(file.metadata, 'general.architecture'));
    if (flags.json) context.json(asJson(path, file, memory, typed, flags.tensors));
    else context.print(asText(path, file, memory, typed, flags.tensors));
  });
}

function asJson(
  path: string,
  file: GgufFile,
  memory: Estimate,
  typed: TypedView,
  tensors: boolean,
): Record<string, unknown> {
  return {
    file: path,
    bytes: file.byteLength,
    shards: file.sources.length,
    version: file.version,
    alignment: file.alignment,
    fileType: fileTypeOf(file),
    parameters: parameterCount(file.tensors),
    metadata: Object.fromEntries([...file.metadata].map(([key, value]) => [key, jsonValue(value)])),
    types: typeTotals(file.tensors),
    ...(tensors
      ? { tensors: file.tensors.map(({ type, ...rest }) => ({ ...rest, type: typeNameOf(file, type) })) }
      : {}),
    memory,
    ggufPackage: typed,
  };
}

function typeNameOf(file: GgufFile, type: number): string {
  return typeTotals(file.tensors.filter((tensor) => tensor.type === type).slice(0, 1))[0]!.type;
}

function asText(path: string, file: GgufFile, memory: Estimate, typed: TypedView, tensors: boolean): string {
  const shards = file.sources.length > 1 ? `, ${file.sources.length} shards` : '';
  const totals = typeTotals(file.tensors).map((t) => `${t.type} ${bytesText(t.bytes)} (${t.tensors})`);
  const head = [
    `${path}`,
    `GGUF version ${file.version}, ${bytesText(file.byteLength)}${shards}, alignment ${file.alignment}`,
    `${parametersText(parameterCount(file.tensors))} parameters, ${fileTypeOf(file) ?? 'file type not given'}`,
    `weights: ${totals.join(', ') || 'none: a vocabulary only'}`,
    memory.bytes
      ? `memory: ${bytesText(memory.bytes.total)} (weights ${bytesText(memory.bytes.weights)}, KV cache ` +
        `${bytesText(memory.bytes.kvCache)}); ${bytesText(memory.bytes.available)} are free (${memory.bytes.source})`
      : `memory: not estimated: ${memory.reason}`,
    typed.metadata === undefined ? `gguf package: no typed view: ${typed.reason}` : 'gguf package: see below',
  ];
  const view =
    typed.metadata === undefined
      ? []
      : ['', `Typed view of the gguf package:\n${JSON.stringify(typed.metadata, shortArrays, 2)}`];
  const parts = [...head, '', metadataTable(file).trimEnd(), ...view];
  if (tensors && file.tensors.length > 0) parts.push('', tensorTable(file.tensors).trimEnd());
  return `${parts.join('\n')}\n`;
}

/** For JSON.stringify: long lists by their length, big integers as text. */
function shortArrays(_key: string, value: unknown): unknown {
  if (Array.isArray(value) && value.length > 8) return `[${value.length} values]`;
  return typeof value === 'bigint' ? String(value) : value;
}
