/** The ops behind the last layer: logits of tokens, scores of classes, hidden states. */
import type { Classifier, ModelSpec } from './architectures/types.ts';
import { activate, type Buffer, type Op } from './program.ts';
import type { Linear, Weights } from './weights.ts';

/** What follows the last layer: `more` only in steps that ask for hidden states. */
export function outputOps(spec: ModelSpec, weights: Weights, exact: boolean): { usual: Op[]; more: Op[] } {
  if (spec.architecture.encoder) {
    return { usual: spec.classifier ? classifierOps(spec, spec.classifier, weights, exact) : [], more: [] };
  }
  const name = weights.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  const weight = weights.matrix(name, spec.vocabulary, spec.width);
  const norm = weights.norm('output_norm', spec.width);
  return {
    usual: [
      { kind: 'gather', from: 'hidden', to: 'output' },
      { ...activate('output', spec.width, norm, [weight], exact), onOutputs: true },
      {
        kind: 'matmul',
        weight,
        to: 'logits',
        softcap: spec.logitSoftcap || undefined,
        peaks: true,
        onOutputs: true,
        barrier: true,
      },
    ],
    more: [{ kind: 'norm', from: 'hidden', to: 'hidden', norm }],
  };
}

/** Scores of classes from the vector of a text's first token: through a dense layer where there is one. */
function classifierOps(spec: ModelSpec, { activation }: Classifier, weights: Weights, exact: boolean): Op[] {
  const { width } = spec;
  const scores = weights.linear('cls.output', spec.outputs, width);
  const dense = weights.has('cls.weight') ? weights.linear('cls', width, width) : undefined;
  const from = (buffer: Buffer, { weight }: Linear): Op => ({
    ...activate(buffer, width, undefined, [weight], exact),
    onOutputs: true,
  });
  return [
    { kind: 'gather', from: 'hidden', to: 'output' },
    ...(dense
      ? [
          from('output', dense),
          {
            kind: 'matmul' as const,
            ...dense,
            act: activation,
            to: 'branch' as const,
            onOutputs: true,
            barrier: true,
          },
        ]
      : []),
    from(dense ? 'branch' : 'output', scores),
    { kind: 'matmul', ...scores, to: 'logits', onOutputs: true, barrier: true },
  ];
}
