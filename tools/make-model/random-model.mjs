// @ts-check
/**
 * Writes a model of random weights: for benchmarks of shapes that nobody wants to download. How fast an
 * engine runs does not depend on the values, as long as they are sane (see blocks.mjs).
 */
import { randomBits, randomBlocks, RANDOM_TYPES } from './blocks.mjs';
import { findShape, SHAPE_NAMES, sizesOf, tensorsOf } from './shapes.mjs';
import { toyVocabulary } from './vocabulary.mjs';

/** @typedef {import('./shapes.mjs').Shape} Shape */
/** @typedef {import('../../src/gguf/index.ts').WritableGguf} WritableGguf */

/**
 * A module of the built project.
 *
 * @template T
 * @param {string} path below dist/src/
 * @returns {Promise<T>}
 */
async function built(path) {
  try {
    return await import(new URL(`../../dist/src/${path}`, import.meta.url).href);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`dist/src/${path} is missing: run "npm run build" first`, { cause: error });
  }
}

/** @typedef {{ shape: Shape, type: string }} RandomSpec */

/**
 * `1.1b:Q4_0`: a shape and a tensor type.
 *
 * @param {string} text
 * @returns {RandomSpec}
 */
export function parseRandomSpec(text) {
  const [name = '', type = '', ...rest] = text.split(':');
  const shape = findShape(name);
  const upper = type.toUpperCase();
  if (!shape) throw new RangeError(`"${name}" is not a shape: one of ${SHAPE_NAMES.join(', ')}`);
  if (rest.length > 0 || !RANDOM_TYPES.includes(upper)) {
    throw new RangeError(`"${text}": give SHAPE:TYPE, with a type of ${RANDOM_TYPES.join(', ')}`);
  }
  return { shape, type: upper };
}

/**
 * The model, ready for the writer; weights are made when they are written.
 *
 * @param {RandomSpec} spec
 * @param {{ seed?: number }} [options]
 * @returns {Promise<WritableGguf>}
 */
export async function randomModel({ shape, type }, { seed = 1 } = {}) {
  /** @type {typeof import('../../src/gguf/index.ts')} */
  const gguf = await built('gguf/index.js');
  const { f32, u32, tensorBytes, tensorTypeByName } = gguf;
  const { architecture = 'llama', experts, latent } = shape;
  const random = randomBits(seed);
  /** @type {Map<string, ReturnType<typeof randomBlocks>>} */
  const pieces = new Map();

  /** @param {string} name @param {number} columns */
  const pieceOf = (name, columns) => {
    const key = `${name} ${columns}`;
    const row = tensorTypeByName(name);
    if (!row) throw new RangeError(`${name} is not a tensor type`);
    const piece = pieces.get(key) ?? randomBlocks(row, 1 / Math.sqrt(columns), random);
    pieces.set(key, piece);
    return piece;
  };

  const tensors = tensorsOf(shape).flatMap((tensor) => {
    const [columns = 1] = tensor.shape;
    if (tensor.role === 'norm') {
      const data = Float32Array.from({ length: columns }, () => 0.75 + random() / 2 ** 33);
      return [{ name: tensor.name, shape: tensor.shape, type: 0, data }];
    }
    const name = typeOf(tensor, type);
    const id = tensorTypeByName(name)?.id ?? -1;
    const bytes = tensorBytes(id, tensor.shape);
    const matrix = {
      name: tensor.name,
      shape: tensor.shape,
      type: id,
      data: () => pieceOf(name, columns).take(bytes),
    };
    return name === 'I8' ? [matrix, ...int8Scales(tensor.name, columns)] : [matrix];
  });

  const { tokens, scores, types } = toyVocabulary(shape.vocabulary);
  const fileType =
    gguf.fileTypeByName(type) ?? gguf.fileTypeByName(`${type}_S`) ?? gguf.fileTypeByName('F32');
  return {
    metadata: new Map(
      /** @type {[string, import('../../src/gguf/index.ts').WritableValue][]} */ ([
        ['general.architecture', architecture],
        ['general.name', `${shape.name} with random weights`],
        // llama.cpp has no file type for whole numbers.
        ...(type === 'I8' ? [] : [['general.file_type', u32(fileType?.id ?? 0)]]),
        ...sizesOf(shape).map(([key, value]) => [`${architecture}.${key}`, u32(value)]),
        [`${architecture}.attention.layer_norm_rms_epsilon`, f32(1e-5)],
        [`${architecture}.rope.freq_base`, f32(shape.ropeBase)],
        // llama.cpp wants it of this architecture.
        ...(latent && experts ? [[`${architecture}.expert_weights_scale`, f32(1)]] : []),
        ...(shape.metadata ?? []).map(([key, value]) => [
          `${architecture}.${key}`,
          typeof value === 'number' ? (Number.isInteger(value) ? u32(value) : f32(value)) : value,
        ]),
        ['tokenizer.ggml.model', 'llama'],
        ['tokenizer.ggml.pre', 'default'],
        ['tokenizer.ggml.tokens', tokens],
        ['tokenizer.ggml.scores', scores],
        ['tokenizer.ggml.token_type', types],
        ['tokenizer.ggml.unknown_token_id', u32(0)],
        ['tokenizer.ggml.bos_token_id', u32(1)],
        ['tokenizer.ggml.eos_token_id', u32(2)],
        ['tokenizer.ggml.add_bos_token', true],
      ]),
    ),
    tensors,
  };
}

const COARSE = ['Q2_K', 'Q3_K', 'Q4_0', 'Q4_1', 'Q4_K', 'Q5_0', 'Q5_1', 'Q5_K', 'IQ4_NL', 'IQ4_XS', 'MXFP4'];

/**
 * Tensors that a matrix of whole numbers needs besides: see tools/convert/README.md.
 *
 * @param {string} name @param {number} columns
 */
function int8Scales(name, columns) {
  const layer = name.replace(/weight$/, '');
  // Random bytes have a deviation of 74; inputs lie within 4.
  const scales = { scale: 1 / (74 * Math.sqrt(columns)), input_scale: 4 / 127 };
  return Object.entries(scales).map(([key, value]) => ({
    name: layer + key,
    shape: [1],
    type: 0,
    data: Float32Array.of(value),
  }));
}

/**
 * A tensor's type in a file of `type`. I8 is for linear layers within the model.
 *
 * @param {import('./shapes.mjs').ShapedTensor} tensor @param {string} type
 */
function typeOf({ name, role, shape: [columns = 1] }, type) {
  if (role === 'float') return 'F32';
  if (type === 'I8' && !name.startsWith('blk.')) return 'Q8_0';
  return role === 'output' ? outputType(type, columns) : type;
}

/**
 * The output matrix of a coarse file is Q6_K, or Q8_0 where rows are not whole blocks of 256: as llama.cpp's
 * quantizer does it.
 *
 * @param {string} type @param {number} columns
 */
function outputType(type, columns) {
  if (!COARSE.includes(type)) return type;
  return columns % 256 === 0 ? 'Q6_K' : 'Q8_0';
}

/**
 * Writes the file; it appears under its name when it is whole.
 *
 * @param {string} path
 * @param {RandomSpec} spec
 * @param {{ seed?: number, onProgress?: (bytes: number) => void }} [options]
 */
export async function writeRandomModel(path, spec, { seed, onProgress } = {}) {
  /** @type {typeof import('../../src/gguf/index.ts')} */
  const { saveGguf } = await built('gguf/index.js');
  /** @type {typeof import('../../src/platform/node/file-sink.ts')} */
  const { fileSink } = await built('platform/node/file-sink.js');
  await saveGguf(path, fileSink, await randomModel(spec, { seed }), { onProgress });
}
