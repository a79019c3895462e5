/** `nibble lab bench`: the machine's limits, the kernels, then the model with each of them. */
import { benchEndToEnd, type EndToEndRequest } from './end-to-end.ts';
import { benchKernels, sourceOf } from './kernels.ts';
import { describeMachine, measureLimits } from './machine.ts';
import type { BenchResults, EndToEndRow, KernelRow } from './results.ts';
import { LARGE, modelShapes, type NamedShape } from './shapes.ts';
import type { Stage } from '../stages.ts';

export interface BenchOptions {
  stages: readonly Stage[];
  work: string;
  threads: number;
  solutions: boolean;
  /** The model's file and name. */
  model: { path: string; name: string };
  endToEnd: boolean;
  /** Shapes instead of the large one and the model's. */
  shapes?: readonly NamedShape[];
  rounds: number;
  promptTokens: number;
  generatedTokens: number;
  repeats: number;
  onKernel?: (row: KernelRow) => void;
  onEndToEnd?: (row: EndToEndRow) => void;
}

export async function runBench(options: BenchOptions): Promise<BenchResults> {
  const { stages, threads, model } = options;
  const limits = await measureLimits(threads);
  const shapes = options.shapes ?? [LARGE, ...(await modelShapes(model.path))];
  const kernels = await benchKernels({ ...options, shapes, onRow: options.onKernel });
  const endToEnd: EndToEndRow[] = [];
  if (options.endToEnd) {
    for (const request of requests(options, stages)) {
      const row = await benchEndToEnd(request.kernel ?? 'nibble', request);
      endToEnd.push(row);
      options.onEndToEnd?.(row);
    }
  }
  return { version: 1, at: new Date().toISOString(), machine: describeMachine(), limits, kernels, endToEnd };
}

/** The engine's own kernels first, then each stage's that a model can run with. */
function requests(options: BenchOptions, stages: readonly Stage[]): EndToEndRequest[] {
  const { work, solutions, threads, model, promptTokens, generatedTokens, repeats } = options;
  const common = {
    path: model.path,
    model: model.name,
    work,
    threads,
    promptTokens,
    generatedTokens,
    repeats,
  };
  const usable = stages.filter(({ layout }) => layout !== 'int8');
  return [
    common,
    ...usable.map((stage) => ({ ...common, kernel: `${sourceOf(stage, work, solutions)}:${stage.id}` })),
  ];
}
