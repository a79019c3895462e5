import { endianness } from 'node:os';
import { Option, type Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { Model } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readBytes } from '../input.ts';
import { withModel } from '../open-model.ts';
import { addRunOptions, jsonOption, modelOption, type OutputFlags, type RunFlags } from '../options.ts';
import { tokenIds } from '../parse.ts';
import { fileSink } from '../../platform/node/file-sink.ts';
import { cannotWrite } from '../../platform/node/write-reason.ts';

interface Flags extends RunFlags, OutputFlags {
  ids?: number[];
  prompt?: string;
  file?: string;
  out: string;
}

export function addLogits(program: Command, context: CliContext): void {
  addRunOptions(program.command('logits').addOption(modelOption()))
    .description('raw little-endian f32 logits of every position: [positions x vocabulary]')
    .addOption(new Option('--ids <ids>', 'token ids: 1,2,3').argParser(tokenIds))
    .option('-p, --prompt <text>', 'text instead of ids')
    .option('-f, --file <file>', 'text from a file instead of ids')
    .requiredOption('--out <file>', 'where the numbers go; - is standard output')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble logits -m model.gguf --ids 1,2,3 --out logits.bin')
    .action((flags: Flags) => runLogits(context, flags));
}

async function runLogits(context: CliContext, flags: Flags): Promise<void> {
  const given = onlyOne({ '--ids': flags.ids, '--prompt': flags.prompt, '--file': flags.file });
  if (given === undefined) throw new UsageError('no input: give --ids 1,2,3, -p TEXT or -f FILE');
  if (flags.out === '-' && flags.json)
    throw new UsageError('--json needs standard output: --out must be a file');
  const text = flags.file === undefined ? flags.prompt : await readBytes(flags.file);
  const tokens = flags.ids?.length;
  // Everything must be in the context at once; a sequence of known length needs no more than that.
  const load = flags.ctxSize === undefined && tokens !== undefined ? { contextSize: tokens } : {};
  await withModel(
    context,
    flags,
    async ({ model }) => {
      const ids = flags.ids ?? model.tokenizer.encode(text!, { parseSpecial: true });
      const positions = await writeLogits(context, model, ids, flags.out);
      const { vocabularySize } = model.info;
      const bytes = positions * vocabularySize * 4;
      if (flags.json) context.json({ out: flags.out, positions, vocabularySize, bytes });
      else context.log(`${flags.out}: ${positions} x ${vocabularySize} f32, ${bytes} bytes`);
    },
    { load },
  );
}

/** Batch by batch, so that memory does not grow with the text. Returns the number of positions. */
async function writeLogits(
  context: CliContext,
  model: Model,
  ids: readonly number[],
  out: string,
): Promise<number> {
  const file = out === '-' ? undefined : await fileSink(out, cannotWrite);
  let positions = 0;
  try {
    for await (const { rows } of model.logitBatches(ids, { signal: context.signal })) {
      const bytes = littleEndian(rows);
      if (file) await file.write(bytes);
      else context.print(bytes);
      await context.flush();
      positions += rows.length / model.info.vocabularySize;
    }
    await file?.close();
  } catch (error) {
    await file?.abort();
    throw error;
  }
  return positions;
}

/** A copy: the engine may use its buffer again while the bytes are still on their way. */
function littleEndian(values: Float32Array): Uint8Array {
  const bytes = Buffer.from(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
  return endianness() === 'BE' ? bytes.swap32() : bytes;
}
