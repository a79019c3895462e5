/** Loads models for tests, and always gives them back. */
import type { ChatModel } from '../../src/chat/model.ts';
import type { GenerateOptions, GenerationPart, LoadOptions } from '../../src/engine/types.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';

/** Loads, runs `use` and disposes. Two threads and plain SIMD, unless told otherwise. */
export async function withModel<T>(
  path: string,
  options: LoadOptions,
  use: (model: ChatModel) => Promise<T>,
): Promise<T> {
  const model = (await loadModelFile(path, { threads: 2, variant: 'simd', ...options })) as ChatModel;
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

export interface Generated {
  text: string;
  ids: number[];
  parts: GenerationPart[];
  done: NonNullable<GenerationPart['done']>;
}

/** All of a generation. */
export async function collect(parts: AsyncIterable<GenerationPart>): Promise<Generated> {
  const all: GenerationPart[] = [];
  for await (const part of parts) all.push(part);
  const done = all.at(-1)?.done;
  if (!done) throw new Error('the last part has no result');
  return {
    text: all.map((part) => part.text).join(''),
    ids: all.flatMap((part) => part.ids),
    parts: all,
    done,
  };
}

/** The likeliest `count` ids after `ids`. */
export async function greedyIds(
  model: ChatModel,
  ids: readonly number[],
  count: number,
  options: GenerateOptions = {},
): Promise<number[]> {
  const generation = model.generate(ids, { temperature: 0, maxTokens: count, ignoreEos: true, ...options });
  return (await collect(generation)).ids;
}
