/** A model's vocabulary without its weights: tokenizing needs no engine, and works on vocabulary-only files. */
import { inFile } from '../errors.ts';
import { closeGguf, openGguf } from '../gguf/index.ts';
import { resolveModel } from '../models/index.ts';
import { fileSource } from '../platform/node/file-source.ts';
import { createTokenizerAsync, type Tokenizer } from '../tokenizer/index.ts';
import type { CliContext } from './context.ts';
import { storeOptionsOf } from './open-model.ts';
import type { SourceFlags } from './options.ts';
import { createProgress } from './progress.ts';

export async function openVocabulary(context: CliContext, flags: SourceFlags): Promise<Tokenizer> {
  const progress = createProgress(context);
  try {
    const { paths } = await resolveModel(flags.model, {
      ...storeOptionsOf(flags),
      onProgress: progress.onDownload,
      onNotice: (line) => {
        progress.stop();
        context.notice(line);
      },
      signal: context.signal,
    });
    const file = await openGguf(paths[0]!, fileSource, { signal: context.signal });
    try {
      return await createTokenizerAsync(file.metadata);
    } catch (error) {
      throw inFile(paths[0]!, error);
    } finally {
      await closeGguf(file);
    }
  } finally {
    progress.stop();
  }
}
