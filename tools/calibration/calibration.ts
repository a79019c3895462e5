/**
 * A model and a calibration text for the quantizers that look at activations. Statistics of all layers at once may need
 * more memory than there is, so a method asks for them layer by layer: the text is run once per group of layers whose
 * statistics fit (Passes).
 */
import { UsageError } from '../../src/errors.ts';
import { architectureOf } from '../../src/engine/architectures/index.ts';
import type { Model, Observation } from '../../src/engine/types.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { layerOf } from '../layers.ts';
import { cutChunks, observeChunks, type RunOptions } from './chunks.ts';

export interface CalibrationOptions {
  /** The text, UTF-8, and its name for messages and metadata. */
  text: Uint8Array;
  name: string;
  /** Tokens per chunk; default 512. */
  chunkSize?: number;
  /** Only so many chunks; default: all. */
  chunks?: number;
}

interface OpenOptions {
  threads?: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

interface PassOptions {
  /** Which run of the text this is, of how many: for progress. */
  pass?: number;
  passes?: number;
  /** Called after the visits of each batch, and waited for. */
  afterBatch?: () => Promise<void>;
}

/** Matrices that are multiplied with the same rows. */
export interface Input {
  layer: number;
  /** Names of the matrices, as an Observation has them; the first one identifies the input. */
  tensors: readonly string[];
  /** Columns of those matrices. */
  width: number;
}

export const DEFAULT_CHUNK = 512;

export class Calibration implements AsyncDisposable {
  readonly name: string;
  /** In the order of the layers. */
  readonly inputs: readonly Input[];
  readonly chunkSize: number;
  readonly chunks: number;
  private readonly model: Model;
  private readonly ids: readonly (readonly number[])[];
  private readonly options: OpenOptions;

  private constructor(
    name: string,
    model: Model,
    ids: readonly (readonly number[])[],
    inputs: readonly Input[],
    options: OpenOptions,
  ) {
    this.name = name;
    this.model = model;
    this.ids = ids;
    this.inputs = inputs;
    this.options = options;
    this.chunkSize = ids[0]!.length;
    this.chunks = ids.length;
  }

  /** Tokens that a pass over the text runs. */
  get tokens(): number {
    return this.chunks * this.chunkSize;
  }

  /**
   * Loads the model in `path` with room for what goes into its matmuls.
   *
   * @throws UsageError for an encoder and for a text shorter than a chunk; ModelError as loading does, and where
   *   activations become NaN; AbortedError
   */
  static async open(
    path: string,
    { text, name, chunkSize = DEFAULT_CHUNK, chunks }: CalibrationOptions,
    options: OpenOptions = {},
  ): Promise<Calibration> {
    const { threads, signal } = options;
    const model = await loadModelFile(path, { threads, signal, contextSize: chunkSize, observe: true });
    try {
      if (model.info.encoder) {
        throw new UsageError(`${path}: calibration needs a model that predicts tokens, this is an encoder`);
      }
      const all = model.tokenizer.encode(text, { parseSpecial: true });
      let ids: number[][];
      try {
        ids = cutChunks(model, all, { chunkSize, chunks });
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        throw new UsageError(`--calibration ${name}: ${error.message}`, { cause: error });
      }
      const inputs: Input[] = [];
      // Two tokens show which matrices share an input.
      await model.observe(ids[0]!.slice(0, 2), ({ tensors, width }) => {
        const layer = layerOf(tensors[0] ?? '');
        if (layer >= 0) inputs.push({ layer, tensors, width });
      });
      return new Calibration(name, model, ids, inputs, options);
    } catch (error) {
      await model.dispose();
      throw error;
    }
  }

  /** The description of the model's architecture. */
  get architecture() {
    return architectureOf(this.model.info.architecture);
  }

  /**
   * Runs the text once and shows the inputs of these matrices.
   *
   * @throws ModelError where activations become NaN; AbortedError
   */
  async run(
    inputs: readonly Input[],
    visit: (input: Input, observation: Observation) => void,
    { pass = 0, passes = 1, afterBatch }: PassOptions = {},
  ): Promise<void> {
    const wanted = new Map(inputs.map((input) => [input.tensors[0], input]));
    await this.observe(
      (observation) => {
        const input = wanted.get(observation.tensors[0]);
        if (input) visit(input, observation);
      },
      { afterBatch },
      pass,
      passes,
    );
  }

  /**
   * Runs the text once and shows the inputs of all matrices, those of experts too.
   *
   * @throws ModelError where activations become NaN; AbortedError
   */
  runAll(visit: (observation: Observation) => void): Promise<void> {
    return this.observe(visit, { experts: true }, 0, 1);
  }

  private observe(
    visit: (observation: Observation) => void,
    options: RunOptions,
    pass: number,
    passes: number,
  ): Promise<void> {
    const { signal, onProgress } = this.options;
    const onChunk = (done: number): void => onProgress?.(pass * this.chunks + done, passes * this.chunks);
    return observeChunks(this.model, this.ids, visit, { ...options, signal, onChunk });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.model.dispose();
  }
}

/** Groups of consecutive layers whose statistics fit in `most` bytes; a single layer may need more. */
export class Passes {
  private readonly groups: Input[][] = [];
  private readonly collect: (inputs: readonly Input[], pass: number, passes: number) => Promise<void>;
  private done = -1;

  constructor(
    inputs: readonly Input[],
    bytesOf: (input: Input) => number,
    most: number,
    collect: (inputs: readonly Input[], pass: number, passes: number) => Promise<void>,
  ) {
    this.collect = collect;
    let left = 0;
    for (const layer of new Set(inputs.map((input) => input.layer))) {
      const some = inputs.filter((input) => input.layer === layer);
      const bytes = some.reduce((sum, input) => sum + bytesOf(input), 0);
      if (bytes > left || this.groups.length === 0) {
        this.groups.push([]);
        left = most;
      }
      this.groups.at(-1)!.push(...some);
      left -= bytes;
    }
  }

  /** Makes sure that the statistics of a layer have been collected. Layers must be asked for in order. */
  async reach(layer: number): Promise<void> {
    const group = this.groups.findIndex((inputs) => inputs.some((input) => input.layer === layer));
    while (this.done < group) {
      this.done++;
      await this.collect(this.groups[this.done]!, this.done, this.groups.length);
    }
  }
}
