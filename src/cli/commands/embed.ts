import { Option, type Command } from 'commander';
import { cosineSimilarity } from '../../engine/pooling.ts';
import type { EmbedOptions, Model } from '../../engine/types.ts';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { withModel } from '../open-model.ts';
import { addRunOptions, jsonOption, modelOption, type OutputFlags, type RunFlags } from '../options.ts';
import { portions, readTexts } from '../texts.ts';

interface Flags extends RunFlags, OutputFlags {
  file?: string;
  pooling?: NonNullable<EmbedOptions['pooling']>;
  normalize: boolean;
  similarity?: boolean;
}

/** Texts between two lines of output. */
const PORTION = 64;

export function addEmbed(program: Command, context: CliContext): void {
  addRunOptions(program.command('embed').addOption(modelOption()))
    .description('vectors of texts, or how alike two texts are')
    .argument('[text...]', 'the texts; - is standard input, one per line')
    .option('-f, --file <file>', 'take the texts from a file, one per line; - is standard input')
    .addOption(
      new Option(
        '--pooling <kind>',
        'one vector of the tokens: their mean, the first, the last, or none: all of them; default: as the file says, else mean',
      ).choices(['mean', 'cls', 'last', 'none']),
    )
    .option('--no-normalize', 'vectors as they are, not of length 1')
    .option('--similarity', 'print the cosine similarity of two texts instead')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble embed -m model.gguf -f texts.txt > vectors.ndjson\n  nibble embed -m model.gguf --similarity "a cat" "a kitten"',
    )
    .action((texts: string[], flags: Flags) => runEmbed(context, texts, flags));
}

async function runEmbed(context: CliContext, given: string[], flags: Flags): Promise<void> {
  const texts = await readTexts(given, flags.file);
  if (flags.similarity && texts.length !== 2) {
    throw new UsageError(`--similarity compares two texts, not ${texts.length}`);
  }
  if (flags.similarity && flags.pooling === 'none') {
    throw new UsageError('--similarity needs one vector per text: --pooling mean, cls or last');
  }
  await withModel(context, flags, async ({ model }) => {
    const { pooling = model.info.pooling ?? 'mean', normalize } = flags;
    const options = { pooling, normalize, signal: context.signal };
    if (flags.similarity) {
      const [a, b] = await model.embed(texts, options);
      const similarity = cosineSimilarity(a!, b!);
      return flags.json ? context.json({ similarity, pooling }) : context.print(`${similarity.toFixed(6)}\n`);
    }
    const vectors: unknown[] = [];
    for (const portion of portions(texts, PORTION)) {
      for (const vector of await model.embed(portion, options)) {
        const value = shaped(vector, model, pooling);
        if (flags.json) vectors.push(value);
        else context.json(value);
      }
      await context.flush();
    }
    if (flags.json) {
      context.json({
        model: model.info.name,
        dimensions: model.info.embeddingLength,
        pooling,
        normalize,
        vectors,
      });
    }
  });
}

/** A list of numbers, or with pooling "none" one per token. Nine digits tell all f32 apart. */
function shaped(vector: Float32Array, model: Model, pooling: Flags['pooling']): number[] | number[][] {
  const numbers = Array.from(vector, (value) => Number(value.toPrecision(9)));
  return pooling === 'none'
    ? [...portions(numbers, model.info.embeddingLength)].map((row) => [...row])
    : numbers;
}
