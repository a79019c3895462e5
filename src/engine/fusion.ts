/**
 * Programs are compiled with ops that do several things in one. Here each of these fusions can be undone, to see what it
 * is worth: `nibble bench --fusion`, and docs/performance.md.
 */
import { UsageError } from '../errors.ts';
import type { Op, SegmentProgram } from './program.ts';

/** What is done in one op, by the name that --fuse takes. */
export const FUSIONS = {
  norm: 'norm + activation quantization',
  gate: 'gate + up + activation',
  add: 'matmul + residual add',
  cache: 'rope + cache write',
} as const;

export type Fusion = keyof typeof FUSIONS;

/**
 * The fusions to undo: all with `false`, none with `true` or undefined, else all but those in the list.
 *
 * @throws UsageError for a name that is none
 */
export function splitOf(fuse: boolean | readonly Fusion[] | undefined): Fusion[] {
  if (fuse === undefined || fuse === true) return [];
  const names = Object.keys(FUSIONS) as Fusion[];
  const kept: readonly string[] = fuse === false ? [] : fuse;
  const unknown = kept.find((name) => !(names as string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`fuse: ${JSON.stringify(unknown)} is none of ${names.join(', ')}`);
  }
  return names.filter((name) => !kept.includes(name));
}

/** The same program with these fusions undone. */
export function splitProgram(program: SegmentProgram, split: readonly Fusion[]): SegmentProgram {
  if (split.length === 0) return program;
  const undo = (ops: Op[]) => split.reduce((all, fusion) => all.flatMap(SPLIT[fusion]), ops);
  const usual = undo(program.ops.slice(0, program.usual));
  const more = undo(program.ops.slice(program.usual));
  return { ...program, ops: [...usual, ...more], usual: usual.length };
}

const SPLIT: Record<Fusion, (op: Op) => Op[]> = {
  norm(op) {
    if (op.kind !== 'activate' || !op.norm) return [op];
    const { norm, from, onOutputs, ...rest } = op;
    return [
      { kind: 'norm', from, to: 'normed', norm, onOutputs },
      { ...rest, from: 'normed', onOutputs },
    ];
  },

  gate(op) {
    if (op.kind === 'matmul' && op.up) {
      const { up, ...gate } = op;
      return [
        { ...gate, barrier: false },
        { kind: 'matmul', weight: up, to: 'up', barrier: true },
        { kind: 'gate', to: op.to, from: 'up', width: up.rows },
      ];
    }
    if (op.kind === 'expertMatmul' && op.up) {
      const { up, experts, ...gate } = op;
      return [
        { ...gate, experts, barrier: false },
        { ...gate, experts, weight: up, to: 'expertUp' },
        { kind: 'gate', to: op.to, from: 'expertUp', width: up.rows, experts },
      ];
    }
    return [op];
  },

  add(op) {
    if (op.kind === 'matmul' && op.add) {
      return [
        { ...op, add: false, to: 'branch', barrier: true },
        { kind: 'add', from: 'branch', to: op.to },
      ];
    }
    if (op.kind !== 'addNorm') return [op];
    return [
      { kind: 'norm', from: op.from, to: 'normed', norm: op.norm },
      { kind: 'add', from: 'normed', to: op.to },
    ];
  },

  cache(op) {
    if (op.kind !== 'rotate') return [op];
    return [
      { ...op, apart: true },
      { kind: 'store', layer: op.layer, int8: op.int8 },
    ];
  },
};
