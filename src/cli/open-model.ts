/** From the flags to a loaded model, with progress and notices; and what is said at the end of a run. */
import type { GenerateOptions, LoadOptions, Model } from '../engine/types.ts';
import type { ResolvedModel } from '../models/index.ts';
import type { CliContext } from './context.ts';
import { loadOptionsOf, type RunFlags } from './options.ts';
import { checkSpeculation, type SpeculationFlags } from './speculation-options.ts';
import { printProfile } from './profile.ts';
import { createProgress } from './progress.ts';
import { bytesText, durationText } from './text.ts';

export interface OpenModelOptions {
  /** Overrides what the flags say. */
  load?: LoadOptions;
  onResolved?: (model: ResolvedModel) => void;
}

export interface OpenedModel {
  model: Model;
  resolved: ResolvedModel;
}

async function openModel(
  context: CliContext,
  flags: RunFlags,
  options: OpenModelOptions = {},
): Promise<OpenedModel> {
  const progress = createProgress(context);
  let resolved: ResolvedModel | undefined;
  const aside = (line: string): void => {
    progress.stop();
    context.notice(line);
  };
  try {
    // Here, so that --help and bad usage need not wait for the engine.
    const { loadModel } = await import('../index.ts');
    const kernel = flags.kernel === undefined ? undefined : await labKernel(flags.kernel);
    const model = await loadModel(flags.model, {
      ...loadOptionsOf(flags),
      kernel,
      ...options.load,
      ...storeOptionsOf(flags),
      signal: context.signal,
      onDownload: progress.onDownload,
      onProgress: progress.onLoad,
      onNotice: aside,
      onFallback: options.load?.onFallback ?? aside,
      onResolved: (found) => {
        progress.stop();
        resolved = found;
        options.onResolved?.(found);
      },
    });
    progress.stop();
    if (context.verbose) describe(context, model, resolved!);
    return { model, resolved: resolved! };
  } finally {
    progress.stop();
  }
}

async function labKernel(name: string): Promise<LoadOptions['kernel']> {
  const { linearKernel } = await import('../../lab/tool/kernel.ts');
  return linearKernel(name);
}

/** Runs with a model that is disposed whatever happens; afterwards --profile has its say. */
export async function withModel<T>(
  context: CliContext,
  flags: RunFlags,
  run: (opened: OpenedModel) => Promise<T>,
  options: OpenModelOptions = {},
): Promise<T> {
  const opened = await openModel(context, flags, options);
  try {
    return await run(opened);
  } finally {
    if (flags.profile) printProfile(context, opened.model);
    await opened.model.dispose();
  }
}

/**
 * As withModel, with --draft's model beside it, and what --lookup and --draft mean for generating.
 *
 * @throws UsageError for --draft-max alone
 */
export async function withModels<T>(
  context: CliContext,
  flags: RunFlags & SpeculationFlags,
  run: (model: Model, generate: Pick<GenerateOptions, 'speculation'>) => Promise<T>,
  options: OpenModelOptions = {},
): Promise<T> {
  const { lookup, draft: name, draftMax } = flags;
  checkSpeculation(flags);
  return withModel(
    context,
    flags,
    async ({ model }) => {
      if (name === undefined) return run(model, lookup ? { speculation: { lookup, draftMax } } : {});
      // As long a context as the model's: its own default may be shorter.
      const load = { contextSize: model.info.contextSize };
      const other = { ...flags, model: name, format: undefined, profile: false };
      const speculate = ({ model: draft }: OpenedModel) =>
        run(model, { speculation: { lookup, draft, draftMax } });
      return withModel(context, other, speculate, { load });
    },
    options,
  );
}

/** `offline: undefined` must not hide the environment's answer. */
export function storeOptionsOf(flags: RunFlags): { offline?: boolean; format?: string } {
  return {
    ...(flags.offline ? { offline: true } : {}),
    ...(flags.format === undefined ? {} : { format: flags.format }),
  };
}

function describe(context: CliContext, { info }: Model, resolved: ResolvedModel): void {
  const weights = info.weightTypes.map((w) => `${w.type} ${bytesText(w.bytes)} (${w.layoutText})`).join(', ');
  context.notice(`model ${resolved.name} (${resolved.source}): ${resolved.paths.join(', ')}`);
  context.notice(`${info.architecture}, ${info.layers} layers, width ${info.embeddingLength}: ${weights}`);
  context.notice(
    `${info.threads} threads, kernels ${info.variant}, activations ${info.activations}, context ` +
      `${info.contextSize} (${info.kvType}), ${info.segments} segment(s), ${bytesText(info.memoryBytes)}, ` +
      `loaded in ${durationText(info.loadMs)}`,
  );
}
