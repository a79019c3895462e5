/**
 * Where everything lies in a segment's memory. From low to high addresses:
 *
 *   constants, control block | op records | tickets | step inputs | work buffers | private regions
 *   | vectors (norms, biases) | weight matrices in row groups | observed inputs | KV pages
 *
 * Nothing is allocated here: a layout is numbers, so that a model's need is known before any memory is.
 */
import { ModelError } from '../../errors.ts';
import { CONTROL, PAGE } from '../../kernels/control.ts';
import { RECORD_BYTES } from '../../kernels/record.ts';
import type { ExpertSpec, ModelSpec } from '../architectures/types.ts';
import { LINEAR_STATICS_END } from '../linear.ts';
import type { SegmentProgram } from '../program.ts';
import { Addresses, align } from './addresses.ts';
import { placeActivations, placeBuffers } from './buffers.ts';
import { placePages } from './pages.ts';
import { scratchBytes, stageBytes as stageBytesOf } from './scratch.ts';
import type { InputPlaces, LayoutOptions, RoutingPlaces, SegmentLayout } from './types.ts';
import { placeWeights, weightsOf } from './weights.ts';

/** Sequences in one batch at most: each has a page table in the step inputs. */
export const MOST_RUNS = 32;
/** wasm32: end addresses must not wrap, so the last 64 KiB stay unused. */
export const MEMORY_LIMIT = 2 ** 32 - 65536;

/** @throws ModelError when the segment does not fit into 4 GiB */
export function layoutSegment(
  spec: ModelSpec,
  program: SegmentProgram,
  options: LayoutOptions,
): SegmentLayout {
  const { threads, batch, outputs } = options;
  const addresses = new Addresses(options.kernel ? LINEAR_STATICS_END : CONTROL + 1024);
  const ops = program.ops.length;
  const records = addresses.take(ops * RECORD_BYTES);
  const tickets = addresses.take(ops * 16);
  const inputs = placeInputs(addresses, spec, options);
  const pairs = batch * mostExperts(program, ({ used }) => used);
  const routing = placeRouting(
    addresses,
    pairs,
    mostExperts(program, ({ count }) => count),
  );
  const profile = options.profile ? addresses.take(threads * ops * 16) : 0;

  const stage = addresses.take(0, 4096);
  const buffers = placeBuffers(addresses, spec, program, { batch, outputs, pairs });
  const { slots, pairSlots, privateBytes } = placeActivations(addresses, program, { batch, outputs, pairs });
  // Neighbours' regions do not begin at the same place of a cache's sets.
  const ownBytes = align(privateBytes + scratchBytes(spec, program, options), 4096) + 192;
  const own = addresses.take(ownBytes * threads, 4096);

  const needed = program.ops.flatMap(weightsOf);
  const stageBytes = stageBytesOf(needed);
  addresses.top = Math.max(addresses.top, stage + stageBytes * threads);

  const weightsStart = addresses.top;
  const weights = placeWeights(addresses, needed);
  const weightBytes = addresses.top - weightsStart;
  const observedStart = addresses.top;
  const observed = placeObserved(addresses, program, options);
  const observedBytes = addresses.top - observedStart;
  const kv = placePages(addresses, spec, program, options);
  const bytes = align(addresses.top, 65536);
  checkSize(program, weightBytes, bytes, options.pages);
  return {
    program,
    records,
    tickets,
    inputs,
    buffers,
    slots,
    pairSlots,
    routing,
    private: { address: own, bytes: ownBytes, scratch: privateBytes },
    observed,
    observedBytes,
    profile,
    stage,
    stageBytes,
    weights,
    weightBytes,
    kv,
    bytes,
  };
}

function placeInputs(
  addresses: Addresses,
  spec: ModelSpec,
  { batch, outputs, pages }: LayoutOptions,
): InputPlaces {
  return {
    tokenIds: addresses.take(batch * 4),
    positions: addresses.take(batch * 4),
    pageTables: addresses.take(batch * 4),
    outputRows: addresses.take(outputs * 4),
    ropes: spec.ropes.map((rope) => addresses.take(batch * rope.rotary * 4)),
    pageNumbers: addresses.take(MOST_RUNS * pages * 4),
  };
}

/** The largest of a number of the experts of any op; 0 without experts. */
function mostExperts({ ops }: SegmentProgram, number: (experts: ExpertSpec) => number): number {
  return Math.max(0, ...ops.map((op) => ('experts' in op && op.experts ? number(op.experts) : 0)));
}

function placeRouting(addresses: Addresses, pairs: number, experts: number): RoutingPlaces {
  if (pairs === 0) return { chosen: 0, shares: 0, places: 0, active: 0 };
  return {
    chosen: addresses.take(pairs * 4),
    shares: addresses.take(pairs * 4),
    places: addresses.take(pairs * 4),
    active: addresses.take(4 + experts * 12),
  };
}

function placeObserved(
  addresses: Addresses,
  { ops }: SegmentProgram,
  { observe, batch, outputs }: LayoutOptions,
): Map<number, number> {
  const observed = new Map<number, number>();
  ops.forEach((op, index) => {
    if (!observe) return;
    if (op.kind === 'activate') {
      const rows = op.onOutputs ? outputs : batch * (op.experts?.used ?? 1);
      observed.set(index, addresses.take(op.width * 4 * rows));
    }
    // A single token is sorted where it is routed: both write to the same place.
    if (op.kind === 'route') observed.set(index, addresses.take(batch * op.experts.used * 8));
    if (op.kind === 'sort') observed.set(index, observed.get(index - 1)!);
  });
  return observed;
}

function checkSize({ first, last }: SegmentProgram, weightBytes: number, bytes: number, pages: number): void {
  const gib = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  if (weightBytes > MEMORY_LIMIT && last === first + 1) {
    throw new ModelError(
      `the weights of layer ${first} alone are ${gib(weightBytes)}; ` +
        'a WebAssembly memory holds 4 GiB: use a smaller quantization',
      { code: 'ERR_LAYER_TOO_LARGE' },
    );
  }
  if (bytes > MEMORY_LIMIT) {
    throw new ModelError(
      `a context of ${pages * PAGE} tokens needs ${gib(bytes)} in layer ${first}; ` +
        'a WebAssembly memory holds 4 GiB: use a smaller --ctx-size or --kv-type q8_0, or --fallback to try these in turn',
      { code: 'ERR_SEGMENT_TOO_LARGE' },
    );
  }
}
