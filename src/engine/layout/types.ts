/** Where everything lies in a segment's memory, as numbers. */
import type { ActivationForm } from '../../kernels/formats.ts';
import type { Fusion } from '../fusion.ts';
import type { LinearKernel } from '../linear.ts';
import type { Buffer, SegmentProgram } from '../program.ts';
import type { KvType } from '../types.ts';

export interface LayoutOptions {
  threads: number;
  /** Tokens in a batch at most. */
  batch: number;
  /** Rows of logits in a step at most. */
  outputs: number;
  /** Pages of the KV cache. */
  pages: number;
  kvType: KvType;
  /** f32 activations for all matmuls. */
  exact: boolean;
  /** Run-time layout of the matrices whose format has it: see weight-layouts.ts. */
  weightLayout?: string;
  profile: boolean;
  /** What is done in ops of their own instead of in one: see fusion.ts. */
  split: readonly Fusion[];
  /** Keep the inputs of matmuls: see observe.ts. */
  observe: boolean;
  /** For the 4-bit linear layers, in the place of the engine's own. */
  kernel?: LinearKernel;
}

/** Step inputs, rewritten before each step. */
export interface InputPlaces {
  tokenIds: number;
  positions: number;
  pageTables: number;
  outputRows: number;
  /** One per rope of the model. */
  ropes: number[];
  /** MOST_RUNS page tables of `pages` u32 each. */
  pageNumbers: number;
}

/** Who goes through which expert: tables of assembly/ops/route.ts; all 0 without experts. */
export interface RoutingPlaces {
  chosen: number;
  shares: number;
  places: number;
  active: number;
}

/** Address and row stride in bytes of each work buffer. */
export type BufferPlaces = Map<Buffer, { address: number; stride: number }>;

/** Where one form of the activations lies: for batches, and within a private region for a single row. */
export interface ActivationSlot {
  shared: number;
  private: number;
  /** Bytes of the widest row. */
  stride: number;
}

export type ActivationSlots = Map<ActivationForm, ActivationSlot>;

export interface KvPlaces {
  address: number;
  pageBytes: number;
  /** Offsets of a layer's keys and values in a page, by the layer's index. */
  layers: Map<number, { keys: number; values: number }>;
}

export interface SegmentLayout {
  program: SegmentProgram;
  /** Address of op records and of their counters. */
  records: number;
  tickets: number;
  inputs: InputPlaces;
  buffers: BufferPlaces;
  slots: ActivationSlots;
  /** The same for pairs of a token and one of its experts. */
  pairSlots: ActivationSlots;
  routing: RoutingPlaces;
  private: { address: number; bytes: number; scratch: number };
  /**
   * By index of the op, where ACTIVATE copies its rows to, [batch x width] f32, and ROUTE and SORT their choices, [pairs]
   * of i32 expert and place; empty without `observe`.
   */
  observed: Map<number, number>;
  observedBytes: number;
  /** Times per worker and op, 0 without profiling. */
  profile: number;
  /** Raw bytes while loading: `stageBytes` per worker, over the work buffers. */
  stage: number;
  stageBytes: number;
  /** Address of each weight, by its key. */
  weights: Map<string, number>;
  weightBytes: number;
  kv: KvPlaces;
  /** All in all, a multiple of 64 KiB. */
  bytes: number;
}
