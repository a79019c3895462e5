/** ROUTE, SORT, DISPATCH, EXPERTS and COMBINE: the choice against a twin, the matmuls bit for bit against plain ones. */
import { describe, expect, it } from 'vitest';
import * as C from '../../src/kernels/control.ts';
import { UNPACKED_BYTES } from '../../src/engine/layout/scratch.ts';
import { DEQUANTIZE_KERNEL, GEMM_KERNEL, GEMV_KERNEL } from '../../src/kernels/exports.ts';
import { FORMATS } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import { near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import { emptyRows, getRows, putRows, run } from './program.ts';
import { normals, random } from './twins/numbers.ts';
import { route, type Routing } from './twins/ops.ts';
import { randomWeights } from './twins/weights.ts';

useCompiler('optimizing');

/** Rows of one expert: not whole groups of 8. */
const ROWS = 20;

describe.each(VARIANTS)('%s: experts', (variant) => {
  const machine = new Machine(variant, 512);

  function tables(tokens: number, used: number, experts: number) {
    const pairs = tokens * used;
    return {
      chosen: machine.alloc(pairs * 4),
      shares: machine.alloc(pairs * 4),
      places: machine.alloc(pairs * 4),
      active: machine.alloc(4 + experts * 12),
    };
  }

  /** Routes and sorts; gives back what the tables hold. */
  function routed(logits: Float32Array[], routing: Routing) {
    const tokens = logits.length;
    const experts = logits[0]!.length;
    const { used } = routing;
    // Rows are whole groups of 8, as a matmul writes them: what is behind the last expert must not matter.
    const width = Math.ceil(experts / 8) * 8;
    const padded = logits.map((row) => Float32Array.from({ length: width }, (_, i) => row[i] ?? 99));
    const from = putRows(machine, padded);
    const bias = routing.bias && Float32Array.from({ length: width }, (_, i) => routing.bias![i] ?? 0);
    const at = tables(tokens, used, experts);
    const common = { [R.WIDTH]: experts, [R.USED]: used };
    const words = {
      ...common,
      [R.FROM]: from.at,
      [R.FROM_STRIDE]: from.stride,
      [R.SCORING]: routing.sigmoid ? R.SCORE_SIGMOID : R.SCORE_SOFTMAX,
      [R.NORMALIZE]: routing.normalize ? 1 : 0,
      [R.EXPERT_GROUPS]: routing.groups ?? 0,
      [R.GROUPS_USED]: routing.groupsUsed ?? 0,
      [R.BIAS]: bias ? machine.put(bias) : 0,
    };
    const floats = { [R.SCALE]: routing.scale };
    const ops = [
      { opcode: R.OP_ROUTE, words, floats },
      { opcode: R.OP_SORT, words: common },
    ];
    run(machine, ops, { tokens, routing: at, scratch: width * 12 });
    const i32 = (address: number, count: number) =>
      Array.from(new Int32Array(machine.memory.buffer, address, count));
    const count = i32(at.active, 1)[0]!;
    const list = i32(at.active + 4, count * 3);
    return {
      at,
      chosen: i32(at.chosen, tokens * used),
      shares: Array.from(machine.f32(at.shares, tokens * used)),
      places: i32(at.places, tokens * used),
      active: Array.from({ length: count }, (_, i) => ({
        expert: list[3 * i]!,
        first: list[3 * i + 1]!,
        pairs: list[3 * i + 2]!,
      })),
    };
  }

  const bias = Array.from({ length: 12 }, (_, i) => Math.fround(((i * 5) % 7) / 10 - 0.3));
  const CASES: [name: string, experts: number, routing: Routing][] = [
    ['softmax', 12, { used: 3, scale: 1 }],
    ['softmax, normalized, one expert of seven', 7, { used: 1, scale: 1, normalize: true }],
    ['sigmoid, bias, scaled', 12, { used: 4, scale: 2.5, sigmoid: true, normalize: true, bias }],
    ['groups by their best', 12, { used: 4, scale: 1, groups: 4, groupsUsed: 2 }],
    ['groups by their two best', 12, { used: 3, scale: 1, sigmoid: true, bias, groups: 3, groupsUsed: 1 }],
    ['all experts', 5, { used: 5, scale: 16 }],
  ];

  it.each(CASES)('ROUTE and SORT: %s', (_, experts, routing) => {
    for (const tokens of [1, 2, 33]) {
      machine.reset();
      const logits = Array.from({ length: tokens }, (_, t) => normals(experts, random(t + 1), 2));
      const { chosen, shares, places, active } = routed(logits, routing);
      const expected = logits.flatMap((row) => route(row, routing));
      expect(chosen).toEqual(expected.map(({ expert }) => expert));
      expected.forEach(({ share }, i) => expect(Math.abs(shares[i]! / share - 1)).toBeLessThan(1e-5));
      // Each expert's pairs side by side, tokens in order; experts with most pairs first.
      const order = chosen.map((expert, pair) => ({ expert, pair }));
      let next = 0;
      for (const [i, { expert, first, pairs }] of active.entries()) {
        expect(first).toBe(next);
        const own = order.filter((each) => each.expert === expert).map(({ pair }) => places[pair]);
        expect(own).toEqual(Array.from({ length: pairs }, (_, p) => first + p));
        if (i > 0) expect(pairs).toBeLessThanOrEqual(active[i - 1]!.pairs);
        next += pairs;
      }
      expect(next).toBe(tokens * routing.used);
    }
  });

  it('ROUTE: of equal scores the first', () => {
    machine.reset();
    const { chosen } = routed([Float32Array.of(1, 2, 2, 2, 1, 0, 0, 0)], { used: 4, scale: 1 });
    expect(chosen).toEqual([1, 2, 3, 0]);
  });

  it.each([[{}], [{ groups: 2, groupsUsed: 1 }]])('ROUTE: NaN fails the step, in bounds', (groups) => {
    machine.reset();
    const logits = [
      new Float32Array(8).fill(NaN),
      Float32Array.of(1, NaN, 0, 0, 0, 0, 0, 0),
      normals(8, random(1)),
    ];
    const { chosen } = routed(logits, { used: 3, scale: 1, sigmoid: true, ...groups });
    expect(machine.view().getInt32(C.BROKEN, true)).toBe(1);
    for (let t = 0; t < 3; t++) {
      const own = chosen.slice(3 * t, 3 * t + 3);
      expect(new Set(own).size).toBe(3);
      for (const expert of own) expect(expert >= 0 && expert < 8).toBe(true);
    }
  });

  const formats = FORMATS.filter(({ name }) =>
    ['F32', 'BF16', 'Q4_0', 'Q8_0', 'Q4_K', 'MXFP4'].includes(name),
  );
  it.each(formats)('DISPATCH, EXPERTS and COMBINE in $name', (format) => {
    const columns = format.blockColumns === 1 ? 48 : 256;
    const experts = 5;
    const used = 2;
    for (const [tokens, threads] of [
      [1, 1],
      [2, 2],
      [19, 3],
    ] as const) {
      machine.reset();
      const source = random(tokens);
      const matrices = Array.from({ length: experts }, () =>
        machine.repack(format, randomWeights(format, ROWS, columns, source), ROWS, columns),
      );
      const { at: weights, groups, groupBytes, units } = matrices[0]!;
      const partBytes = matrices[1]!.at - weights;
      const x = Array.from({ length: tokens }, () => normals(columns, source));
      const routing = { used, scale: 1 };
      const logits = x.map(() => normals(experts, source, 2));
      const { at, chosen, places, shares } = routed(logits, routing);
      const activations = machine.activations(format, x);
      const pairs = machine.alloc(activations.stride * tokens * used);
      const output = emptyRows(machine, tokens * used, groups * 8);
      const before = x.map(() => normals(groups * 8, source));
      const sum = putRows(machine, before);
      const index = (kind: number) => machine.kernels.kernelIndex(format.kernel, kind);
      const dispatch = {
        [R.FROM]: activations.at,
        [R.FROM_STRIDE]: activations.stride,
        [R.TO]: pairs,
        [R.TO_STRIDE]: activations.stride,
        [R.WIDTH]: activations.stride,
        [R.USED]: used,
      };
      const matmul = {
        [R.TO]: output.at,
        [R.TO_STRIDE]: output.stride,
        [R.WIDTH]: columns,
        [R.WEIGHTS]: weights,
        [R.GROUP_BYTES]: groupBytes,
        [R.ROW_GROUPS]: groups,
        [R.UNITS]: units,
        [R.DEQUANTIZE]: index(DEQUANTIZE_KERNEL),
        [R.GEMV]: index(GEMV_KERNEL),
        [R.GEMM]: index(GEMM_KERNEL),
        [R.X_SHARED]: tokens === 1 ? activations.at : pairs,
        // A single token's experts all read one row.
        [R.X_STRIDE]: tokens === 1 ? 0 : activations.stride,
        [R.START]: R.START_ZERO,
        [R.PART_BYTES]: partBytes,
        [R.PARTS]: experts,
        [R.USED]: used,
      };
      const combine = {
        [R.FROM]: output.at,
        [R.FROM_STRIDE]: output.stride,
        [R.TO]: sum.at,
        [R.TO_STRIDE]: sum.stride,
        [R.WIDTH]: groups * 8,
        [R.USED]: used,
      };
      run(
        machine,
        [
          { opcode: R.OP_DISPATCH, words: dispatch },
          { opcode: R.OP_EXPERTS, words: matmul },
          { opcode: R.OP_COMBINE, words: combine },
        ],
        { tokens, threads, routing: at, scratch: tokens * 32 + UNPACKED_BYTES },
      );
      const rows = getRows(machine, output);
      const expected = chosen.map((expert, pair) => {
        const token = activations.at + Math.floor(pair / used) * activations.stride;
        return machine.gemv(matrices[expert]!, token);
      });
      expected.forEach((row, pair) =>
        sameBits(
          rows[places[pair]!]!.subarray(0, ROWS),
          row,
          `${format.name}, pair ${pair} of ${tokens} tokens`,
        ),
      );
      getRows(machine, sum).forEach((row, t) => {
        const wanted = Array.from({ length: ROWS }, (_, i) =>
          Array.from({ length: used }, (_, slot) => t * used + slot).reduce(
            (total, pair) => total + shares[pair]! * expected[pair]![i]!,
            before[t]![i]!,
          ),
        );
        near(row.subarray(0, ROWS), wanted, (i) => 1e-5 + 1e-6 * Math.abs(wanted[i]!), `sum of token ${t}`);
      });
    }
  });
});
