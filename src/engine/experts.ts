/** Mixtures of experts (arXiv:1701.06538): from metadata to sizes, and the feed-forward ops of such a layer. */
import { ModelError } from '../errors.ts';
import { findBoolean, findCount, findNumber, type Metadata } from '../gguf/metadata.ts';
import type { Architecture, ExpertSpec, LayerSpec, ModelSpec } from './architectures/types.ts';
import { activate, gatedOps, type Op } from './program.ts';
import { formOf, type Norm, type Weight, type Weights } from './weights.ts';

/** More experts in a layer than any model has. */
const MOST_EXPERTS = 4096;

/** GGUF's numbers for how scores are made; 0: the file leaves it open. */
const SCORINGS = ['softmax', 'softmax', 'sigmoid'] as const;

/**
 * The experts of each layer, `feedForward` hidden values wide where the file has no width of their own; undefined
 * for layers with a plain feed-forward block.
 *
 * @throws ModelError for numbers that contradict each other
 */
export function readExperts(
  metadata: Metadata,
  architecture: Architecture,
  feedForward: readonly number[],
): (ExpertSpec | undefined)[] {
  const key = (name: string) => `${architecture.name}.${name}`;
  const optional = (name: string) => findCount(metadata, key(name)) ?? 0;
  const count = optional('expert_count');
  const none = feedForward.map(() => undefined);
  if (count === 0) return none;
  const used = optional('expert_used_count');
  if (count > MOST_EXPERTS || used < 1 || used > count) {
    throw new ModelError(`${key('expert_used_count')} is ${used}, ${key('expert_count')} ${count}`);
  }
  const gating = optional('expert_gating_func');
  const scoring = SCORINGS[gating];
  if (!scoring) throw new ModelError(`${key('expert_gating_func')} is ${gating}: not supported`);
  const groups = optional('expert_group_count') > 1 ? optional('expert_group_count') : 0;
  const groupsUsed = groups && optional('expert_group_used_count');
  if (groups > 0 && (count % groups !== 0 || groupsUsed > groups || used > groupsUsed * (count / groups))) {
    throw new ModelError(
      `${architecture.name}: ${used} of ${count} experts from ${groupsUsed} of ${groups} groups (expert_group_count) do not go`,
    );
  }
  const width = optional('expert_feed_forward_length');
  const dense = optional('leading_dense_block_count');
  return feedForward.map((layerWidth, index) =>
    index < dense
      ? undefined
      : {
          count,
          used,
          feedForward: width || layerWidth,
          shared:
            optional('expert_shared_feed_forward_length') ||
            optional('expert_shared_count') * (width || layerWidth),
          scoring,
          normalized:
            findBoolean(metadata, key('expert_weights_norm')) ?? architecture.normalizedExperts ?? false,
          // 0: older files, which say nothing by it.
          scale: findNumber(metadata, key('expert_weights_scale')) || 1,
          groups,
          groupsUsed,
        },
  );
}

/**
 * The feed-forward ops of a layer with experts: hidden += shared experts + weighted sum of the chosen ones.
 * `norm` comes before.
 */
export function expertOps(
  spec: ModelSpec,
  weights: Weights,
  layer: LayerSpec,
  experts: ExpertSpec,
  norm: Norm | undefined,
  exact: boolean,
): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width } = spec;
  const { count, feedForward, shared } = experts;
  const router = weights.matrix(name('ffn_gate_inp.weight'), count, width);
  const gate = weights.parts(name('ffn_gate_exps.weight'), count, feedForward, width);
  const up = weights.parts(name('ffn_up_exps.weight'), count, feedForward, width);
  const down = weights.parts(name('ffn_down_exps.weight'), count, width, feedForward);
  const sharedGate = shared ? weights.matrix(name('ffn_gate_shexp.weight'), shared, width) : undefined;
  const sharedUp = shared ? weights.matrix(name('ffn_up_shexp.weight'), shared, width) : undefined;
  const sharedDown = shared ? weights.matrix(name('ffn_down_shexp.weight'), width, shared) : undefined;
  const gateName = name('ffn_gate_inp_shexp.weight');
  const share = shared && weights.has(gateName) ? weights.matrix(gateName, 1, width) : undefined;
  const users = [router, gate, up, sharedGate, sharedUp, share].filter((weight) => weight !== undefined);
  const forms = [...new Set([formOf(gate, exact), formOf(up, exact)])];
  return [
    activate('hidden', width, norm, users, exact),
    { kind: 'matmul', weight: router, to: 'router', barrier: !sharedGate },
    ...(share ? [{ kind: 'matmul' as const, weight: share, to: 'share' as const, barrier: false }] : []),
    ...(sharedGate && sharedUp ? gatedOps({ weight: sharedGate }, { weight: sharedUp }) : []),
    ...(share ? [{ kind: 'share' as const, to: 'gate' as const, width: shared }] : []),
    { kind: 'route', experts, bias: weights.optionalVector(name('exp_probs_b.bias'), count) },
    { kind: 'sort', experts },
    ...forms.map((form): Op => ({ kind: 'dispatch', experts, form, width })),
    ...(gate.format === up.format
      ? [expertMatmul(gate, 'expertGate', experts, { up })]
      : [
          expertMatmul(gate, 'expertGate', experts, { barrier: false }),
          expertMatmul(up, 'expertUp', experts),
          {
            kind: 'gate' as const,
            to: 'expertGate' as const,
            from: 'expertUp' as const,
            width: feedForward,
            experts,
          },
        ]),
    { ...activate('expertGate', feedForward, undefined, [down], exact), experts },
    ...(sharedDown
      ? [
          activate('gate', shared, undefined, [sharedDown], exact),
          { kind: 'matmul' as const, weight: sharedDown, to: 'hidden' as const, add: true, barrier: false },
        ]
      : []),
    expertMatmul(down, 'expertOutput', experts, { fromPairs: true }),
    { kind: 'combine', experts },
  ];
}

function expertMatmul(
  weight: Weight,
  to: 'expertGate' | 'expertUp' | 'expertOutput',
  experts: ExpertSpec,
  rest: { up?: Weight; fromPairs?: boolean; barrier?: boolean } = {},
): Op {
  return { kind: 'expertMatmul', weight, to, experts, fromPairs: false, barrier: true, ...rest };
}
