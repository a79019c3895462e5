/** From a description's rules and a checkpoint's tensors to the tensors of the file, in the order of the rules. */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import type { WritableTensor } from '../../src/gguf/writer.ts';
import { expertCount, layerCount } from './architectures/common.ts';
import type { Conversion, LayerContext, TensorRule } from './architectures/types.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Config } from './config.ts';
import { recode } from './encode.ts';
import { outputType, rowsPerPiece, type Outtype } from './outtype.ts';
import { readPacked } from './packed/index.ts';
import { bytesPerRow, F32, rowCount, storedRows, type Rows } from './rows.ts';
import { stack } from './transforms.ts';

/** Rotation tables that old versions of transformers stored. */
const BUFFERS = /rotary_emb\.inv_freq$/;

export interface PlannedTensor {
  name: string;
  rows: Rows;
  /** GGUF type id in the file. */
  type: number;
}

/**
 * Throws CheckpointError when a tensor is missing, or one is there that the description does not know: a file
 * without it would be another model.
 */
export async function planTensors(
  checkpoint: Checkpoint,
  conversion: Conversion,
  config: Config,
  outtype: Outtype,
): Promise<PlannedTensor[]> {
  const pool = await TensorPool.open(checkpoint, conversion, config);
  const planned: PlannedTensor[] = [];
  const add = (name: string, rows: Rows): void => {
    planned.push({ name, rows, type: outputType(name, rows, outtype) });
  };
  for (const { name, values } of conversion.made?.(config) ?? []) add(name, madeRows(name, values));
  const layers = layerCount(config);
  // Layer by layer, so that the file is read as the model runs.
  const inLayers = conversion.tensors.filter(([from]) => from.includes('{}'));
  const outside = conversion.tensors.filter(([from]) => !from.includes('{}'));
  for (const rule of outside) apply(rule, { config, layer: -1, get: (name) => pool.take(name) }, pool, add);
  for (let layer = 0; layer < layers; layer++) {
    const get = (name: string): Rows => pool.take(name.replace('{}', String(layer)));
    for (const rule of inLayers) apply(rule, { config, layer, get }, pool, add);
  }
  pool.checkAllUsed();
  return planned;
}

function apply(
  [from, to, change]: TensorRule,
  context: LayerContext,
  pool: TensorPool,
  add: (name: string, rows: Rows) => void,
): void {
  const layer = String(context.layer);
  const name = from.replace('{}', layer);
  const rows = name.includes('{e}') ? pool.experts(name, expertCount(context.config)) : pool.find(name);
  if (rows !== undefined) add(to.replace('{}', layer), change ? change(rows, context) : rows);
}

/** What a checkpoint has, by names without the model's prefix, and what of it has been used. */
class TensorPool {
  private readonly path: string;
  private readonly rows = new Map<string, () => Rows>();
  private readonly used = new Set<string>();

  private constructor(path: string) {
    this.path = path;
  }

  static async open(checkpoint: Checkpoint, conversion: Conversion, config: Config): Promise<TensorPool> {
    const pool = new TensorPool(checkpoint.folder);
    const { matrices, parts } = await readPacked(config, checkpoint.tensors);
    const without = new RegExp(`^(?:${conversion.prefixes.map((p) => p.replaceAll('.', '\\.')).join('|')})`);
    const ignored = conversion.ignored?.(config);
    const tied = config.find('tie_word_embeddings', 'share_input_output_layers') ?? conversion.tied ?? false;
    const add = (fullName: string, rows: () => Rows): void => {
      const name = fullName.replace(without, '');
      if (ignored?.test(name) || BUFFERS.test(name) || (tied === true && name === 'lm_head.weight')) return;
      if (pool.rows.has(name))
        throw new CheckpointError(`${pool.path}: two tensors are called ${quote(name)}`);
      pool.rows.set(name, rows);
    };
    for (const [name, tensor] of checkpoint.tensors)
      if (!parts.has(name)) add(name, () => storedRows(tensor));
    for (const [name, matrix] of matrices) add(name, () => matrix);
    return pool;
  }

  /** A tensor; undefined where its name ends in `?` and there is none. */
  find(pattern: string): Rows | undefined {
    const name = pattern.replace(/\?$/, '');
    return this.rows.has(name) || name === pattern ? this.take(name) : undefined;
  }

  /** Throws CheckpointError when it is missing. */
  take(name: string): Rows {
    const rows = this.rows.get(name);
    if (rows === undefined) throw new CheckpointError(`${this.path}: tensor ${quote(name)} is missing`);
    this.used.add(name);
    return rows();
  }

  /** All experts as one tensor; undefined where the layer may have none and has none. */
  experts(pattern: string, count: number): Rows | undefined {
    const name = pattern.replace(/\?$/, '');
    const nameOf = (expert: number): string => name.replace('{e}', String(expert));
    if (name !== pattern && !this.rows.has(nameOf(0))) return undefined;
    const parts: Rows[] = [];
    while (parts.length < count) parts.push(this.take(nameOf(parts.length)));
    return stack(parts);
  }

  checkAllUsed(): void {
    const left = [...this.rows.keys()].filter((name) => !this.used.has(name));
    if (left.length === 0) return;
    const names = left.slice(0, 3).map(quote).join(', ');
    throw new CheckpointError(
      `${this.path}: no place in GGUF is known for ${left.length} tensors such as ${names}: this may be another kind of model than config.json says`,
    );
  }
}

function madeRows(name: string, values: Float32Array): Rows {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, shape: [values.length], type: F32, read: () => Promise.resolve(bytes) };
}

/** The tensor as the writer wants it: its bytes are made piece by piece, when their turn comes. */
export function writable({ name, rows, type }: PlannedTensor): WritableTensor {
  return {
    name,
    type,
    shape: rows.shape,
    async *data() {
      const total = rowCount(rows.shape);
      const step = rowsPerPiece(rows);
      for (let first = 0; first < total; first += step) {
        const count = Math.min(step, total - first);
        const bytes = await rows.read(first, count);
        if (bytes.length !== count * bytesPerRow(rows)) {
          throw new CheckpointError(`tensor ${quote(rows.name)}: ${bytes.length} bytes for ${count} rows`);
        }
        yield recode(bytes, rows.type, type, rows.name);
      }
    },
  } as WritableTensor;
}
