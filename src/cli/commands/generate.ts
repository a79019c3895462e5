import { Option, type Command } from 'commander';
import { AbortedError, UsageError } from '../../errors.ts';
import type { GenerateOptions, Model, TokenLogprob } from '../../engine/types.ts';
import type { CliContext } from '../context.ts';
import { onlyOne, readBytes } from '../input.ts';
import { checkWritable } from '../output.ts';
import { withModels } from '../open-model.ts';
import { addRunOptions, jsonOption, modelOption, type OutputFlags, type RunFlags } from '../options.ts';
import { addSamplingOptions, samplingOf, type SamplingFlags } from '../sampling-options.ts';
import { addSpeculationOptions, type SpeculationFlags } from '../speculation-options.ts';
import { integer, tokenIds } from '../parse.ts';
import { openTextState } from '../text-state.ts';
import { numberText, rounded } from '../text.ts';
import { draftText, measure, timingsJson, type Measured } from '../timings.ts';

interface Flags extends RunFlags, OutputFlags, SamplingFlags, SpeculationFlags {
  prompt?: string;
  file?: string;
  ids?: number[];
  logprobs?: number;
  stream?: boolean;
  special?: boolean;
  saveState?: string;
  loadState?: string;
}

export function addGenerate(program: Command, context: CliContext): void {
  const command = addRunOptions(
    program
      .command('generate')
      .description('continue a text, without a chat template')
      .addOption(modelOption())
      .option('-p, --prompt <text>', 'text to continue')
      .option('-f, --file <file>', 'take the text from a file; - is standard input')
      .addOption(new Option('--ids <ids>', 'token ids instead of a text: 1,2,3').argParser(tokenIds)),
  );
  addSpeculationOptions(addSamplingOptions(command, 'error'))
    .addOption(
      new Option('--logprobs <n>', 'in the JSON: log probabilities, and so many alternatives').argParser(
        integer(0, 1000),
      ),
    )
    .option('--save-state <file>', 'at the end, save the text with its keys and values')
    .option('--load-state <file>', 'go on with a saved text; a prompt is added to it')
    .addOption(jsonOption())
    .option('--stream', 'with --json: one line per part (NDJSON), the result last')
    .addHelpText(
      'after',
      '\nExample:\n  nibble generate -m smollm2-135m -p "Once upon a time" -n 64 --seed 1',
    )
    .action((flags: Flags) => runGenerate(context, flags));
}

async function runGenerate(context: CliContext, flags: Flags): Promise<void> {
  const given = onlyOne({ '--prompt': flags.prompt, '--file': flags.file, '--ids': flags.ids });
  const resumed = flags.loadState !== undefined;
  if (given === undefined && process.stdin.isTTY && !resumed) {
    throw new UsageError('no prompt: give -p TEXT, -f FILE or --ids 1,2,3');
  }
  if (flags.stream && !flags.json)
    throw new UsageError('--stream goes with --json; plain text always streams');
  if (flags.logprobs !== undefined && !flags.json) throw new UsageError('--logprobs goes with --json');
  if (flags.saveState !== undefined) await checkWritable(flags.saveState);
  const file = given === undefined && !resumed ? '-' : flags.file;
  const text = file === undefined ? flags.prompt : await readBytes(file);
  await withModels(context, flags, (model, extra) => generate(context, model, text, flags, extra));
}

async function generate(
  context: CliContext,
  model: Model,
  text: string | Uint8Array | undefined,
  flags: Flags,
  extra: Pick<GenerateOptions, 'speculation'>,
): Promise<void> {
  const state = await openTextState(model, flags, context.signal);
  // What is added to a text is no new beginning: it gets no BOS.
  const encoding = { parseSpecial: true, addSpecial: !state.resumed };
  const added = flags.ids ?? (text === undefined ? [] : model.tokenizer.encode(text, encoding));
  checkIds(added, model.info.vocabularySize);
  const prompt = [...state.ids, ...added];
  if (prompt.length === 0) throw new UsageError('the prompt is empty, and the vocabulary adds no BOS token');
  const options: GenerateOptions = {
    sequence: state.sequence,
    ...samplingOf(flags),
    ...extra,
    onFull: flags.onFull ?? 'error',
    logprobs: flags.logprobs,
    signal: context.signal,
  };
  const ids: number[] = [];
  const logprobs: TokenLogprob[] = [];
  const measured = await measure(model.generate(prompt, options), async (part) => {
    ids.push(...part.ids);
    if (part.logprobs) logprobs.push(...part.logprobs);
    if (!flags.json) context.print(part.text);
    else if (flags.stream && (part.ids.length > 0 || part.text !== '')) {
      context.json({ text: part.text, ids: part.ids, ...(part.logprobs ? { logprobs: part.logprobs } : {}) });
    }
    await context.flush();
  });
  await state.save([...prompt, ...ids]);
  if (flags.json) {
    context.json({
      text: measured.text,
      ids,
      ...(flags.logprobs === undefined ? {} : { logprobs }),
      reason: measured.reason,
      model: model.info.source,
      timings: { loadMs: rounded(model.info.loadMs), ...timingsJson(measured.timings) },
    });
  } else {
    context.print('\n');
    if (context.verbose) logTimings(context, measured);
  }
  if (measured.reason === 'interrupted') throw new AbortedError();
}

function checkIds(ids: readonly number[], vocabularySize: number): void {
  const bad = ids.find((id) => id >= vocabularySize);
  if (bad !== undefined) {
    throw new UsageError(`${bad} is not a token id: the vocabulary has ${vocabularySize} tokens`);
  }
}

function logTimings(context: CliContext, { timings, reason }: Measured): void {
  context.notice(
    `prompt ${timings.promptTokens} tokens, ${numberText(timings.prefillTokensPerSecond)} tok/s; ` +
      `generated ${timings.generatedTokens}, ${numberText(timings.decodeTokensPerSecond)} tok/s; ` +
      `first token after ${numberText(timings.timeToFirstTokenMs)} ms; ended by ${reason}` +
      draftText(timings, '; '),
  );
}
