/** Writes models that are broken in one way each. */
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  closeGguf,
  copyMetadata,
  memorySink,
  openGguf,
  readTensor,
  writeGguf,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { k, legacy, QWEN3 } from './fixtures.ts';

interface Parts {
  metadata: Map<string, WritableValue>;
  tensors: WritableTensor[];
}

/** A copy of a model with a change. */
export async function changed(
  source: string,
  target: string,
  change: (parts: Parts) => void,
): Promise<string> {
  const file = await openGguf(source, fileSource);
  try {
    const parts: Parts = { metadata: copyMetadata(file), tensors: [] };
    for (const tensor of file.tensors) {
      const { name, type, shape } = tensor;
      parts.tensors.push({ name, type, shape, data: (await readTensor(file, tensor)).slice() });
    }
    change(parts);
    const sink = memorySink();
    await writeGguf(sink, parts);
    await writeFile(target, sink.bytes());
    return target;
  } finally {
    await closeGguf(file);
  }
}

/** A copy of a model with other bytes at the start of a tensor. */
async function patched(source: string, target: string, tensor: string, bytes: number[]): Promise<string> {
  const file = await openGguf(source, fileSource);
  const { offset } = find(file, tensor);
  await closeGguf(file);
  await writeFile(target, await readFile(source));
  const handle = await open(target, 'r+');
  await handle.write(Uint8Array.from(bytes), 0, bytes.length, offset);
  await handle.close();
  return target;
}

function find<T extends { name: string }>({ tensors }: { tensors: T[] }, name: string): T {
  const tensor = tensors.find((each) => each.name === name);
  if (!tensor) throw new Error(`there is no tensor ${name}`);
  return tensor;
}

export interface Broken {
  name: string;
  /** What the error must be: code and message. */
  code: string;
  message: RegExp;
  make(folder: string): Promise<string>;
}

const at = (folder: string, name: string) => join(folder, `${name}.gguf`);

/** Named by what is wrong. */
export const BROKEN: Broken[] = [
  {
    name: 'a missing file',
    code: 'ERR_GGUF',
    message: /missing\.gguf/,
    make: (folder) => Promise.resolve(at(folder, 'missing')),
  },
  {
    name: 'a folder',
    code: 'ERR_GGUF',
    message: /./,
    make: (folder) => Promise.resolve(folder),
  },
  {
    name: 'an empty file',
    code: 'ERR_GGUF',
    message: /empty\.gguf/,
    make: async (folder) => {
      await writeFile(at(folder, 'empty'), '');
      return at(folder, 'empty');
    },
  },
  {
    name: 'a file cut off within tensor data',
    code: 'ERR_GGUF',
    message: /cut\.gguf.*tensor/,
    make: async (folder) => {
      const bytes = await readFile(QWEN3);
      await writeFile(at(folder, 'cut'), bytes);
      await truncate(at(folder, 'cut'), bytes.length - 1000);
      return at(folder, 'cut');
    },
  },
  {
    name: 'an unknown architecture',
    code: 'ERR_UNKNOWN_ARCHITECTURE',
    message: /"martian" is not supported; supported are llama,/,
    make: (folder) =>
      changed(QWEN3, at(folder, 'martian'), ({ metadata }) =>
        metadata.set('general.architecture', 'martian'),
      ),
  },
  {
    name: 'a missing tensor',
    code: 'ERR_MODEL',
    message: /tensor blk\.1\.attn_q\.weight is missing/,
    make: (folder) =>
      changed(QWEN3, at(folder, 'missing-tensor'), ({ tensors }) =>
        tensors.splice(
          tensors.findIndex(({ name }) => name === 'blk.1.attn_q.weight'),
          1,
        ),
      ),
  },
  {
    name: 'a wrong shape',
    code: 'ERR_MODEL',
    message: /tensor blk\.0\.ffn_down\.weight has shape 64 x 96; expected 96 x 64/,
    make: (folder) =>
      changed(QWEN3, at(folder, 'shape'), (parts) => {
        find(parts, 'blk.0.ffn_down.weight').shape = [64, 96];
      }),
  },
  {
    name: 'a type that has no kernels',
    code: 'ERR_MODEL',
    message: /tensor blk\.0\.attn_k\.weight: type IQ2_XXS is not supported/,
    make: (folder) =>
      changed(k('Q4_K_M'), at(folder, 'type'), (parts) => {
        const tensor = find(parts, 'blk.0.attn_k.weight');
        tensor.type = 16;
        tensor.data = new Uint8Array(tensor.shape[1]! * 66);
      }),
  },
  {
    name: 'a vector that is not F32',
    code: 'ERR_MODEL',
    message: /tensor blk\.0\.ffn_norm\.weight has type F16; vectors must be F32/,
    make: (folder) =>
      changed(QWEN3, at(folder, 'vector'), (parts) => {
        const tensor = find(parts, 'blk.0.ffn_norm.weight');
        tensor.type = 1;
        tensor.data = new Uint16Array(64);
      }),
  },
  {
    name: 'heads that do not divide',
    code: 'ERR_MODEL',
    message: /layer 0: 4 heads cannot share 3 key\/value heads/,
    make: (folder) =>
      changed(QWEN3, at(folder, 'heads'), ({ metadata }) =>
        metadata.set('qwen3.attention.head_count_kv', { type: 'u32', value: 3 }),
      ),
  },
  {
    name: 'a NaN scale',
    code: 'ERR_GGUF',
    message: /tensor blk\.0\.attn_q\.weight of .*scale\.gguf holds NaN/,
    make: (folder) => patched(legacy('Q8_0'), at(folder, 'scale'), 'blk.0.attn_q.weight', [0x00, 0x7e]),
  },
  {
    name: 'an infinite weight',
    code: 'ERR_GGUF',
    message: /tensor token_embd\.weight of .*infinite\.gguf holds NaN or infinite/,
    make: (folder) => patched(QWEN3, at(folder, 'infinite'), 'token_embd.weight', [0, 0, 0x80, 0x7f]),
  },
  {
    name: 'a NaN in a norm',
    code: 'ERR_GGUF',
    message: /tensor blk\.1\.attn_norm\.weight of .*norm\.gguf holds NaN/,
    make: (folder) => patched(QWEN3, at(folder, 'norm'), 'blk.1.attn_norm.weight', [0, 0, 0xc0, 0x7f]),
  },
];
