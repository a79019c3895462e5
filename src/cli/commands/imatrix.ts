import type { Command } from 'commander';
import { collectImatrix } from '../../../tools/imatrix/collect.ts';
import { writeImatrix } from '../../../tools/imatrix/file.ts';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { readBytes } from '../input.ts';
import { checkWritable } from '../output.ts';
import { withModel } from '../open-model.ts';
import {
  addRunOptions,
  chunksOption,
  jsonOption,
  modelOption,
  type OutputFlags,
  type RunFlags,
} from '../options.ts';
import { countText, durationText, rounded } from '../text.ts';

interface Flags extends RunFlags, OutputFlags {
  file: string;
  output: string;
  chunks?: number;
  processOutput?: boolean;
}

const DEFAULT_CHUNK = 512;

export function addImatrix(program: Command, context: CliContext): void {
  addRunOptions(program.command('imatrix').addOption(modelOption()), {
    ctxSize: `tokens per chunk; default: ${DEFAULT_CHUNK}`,
  })
    .description('an importance matrix from calibration text, for nibble quantize --imatrix')
    .requiredOption('-f, --file <file>', 'the text; - is standard input')
    .option('-o, --output <file>', 'what to write', 'imatrix.gguf')
    .addOption(chunksOption())
    .option('--process-output', 'also for output.weight')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      "\nThe file has llama-imatrix's format.\n" +
        '\nExample:\n  nibble imatrix -m model-F16.gguf -f calibration.txt -o imatrix.gguf\n' +
        '  nibble quantize model-F16.gguf model-Q3_K_M.gguf Q3_K_M --imatrix imatrix.gguf',
    )
    .action((flags: Flags) => runImatrix(context, flags));
}

async function runImatrix(context: CliContext, flags: Flags): Promise<void> {
  if (flags.output === '-') throw new UsageError('--output must be a file');
  await checkWritable(flags.output);
  const text = await readBytes(flags.file);
  const chunkSize = flags.ctxSize ?? DEFAULT_CHUNK;
  await withModel(
    context,
    flags,
    async ({ model }) => {
      const started = performance.now();
      const ids = model.tokenizer.encode(text, { parseSpecial: true });
      const { entries, chunks } = await collectImatrix(model, ids, {
        chunkSize,
        chunks: flags.chunks,
        output: flags.processOutput,
        signal: context.signal,
        onChunk: (done, total) => {
          if (!flags.json) context.log(`[${done}/${total}]`);
        },
      });
      await writeImatrix(flags.output, {
        name: flags.output,
        entries,
        datasets: [flags.file],
        chunks,
        chunkSize,
      });
      const ms = performance.now() - started;
      const result = { out: flags.output, entries: entries.size, chunks, chunkSize, ms: rounded(ms) };
      if (flags.json) return context.json(result);
      context.print(
        `${flags.output}: ${entries.size} matrices from ` +
          `${countText(chunks, 'chunk')} of ${chunkSize} tokens, ${durationText(ms)}\n`,
      );
    },
    { load: { contextSize: chunkSize, observe: true } },
  );
}
