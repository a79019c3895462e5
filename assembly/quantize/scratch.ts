/**
 * Work memory of the quantizers of super-blocks of 256: byte offsets from its start. Arrays of lanes (lanes.ts) hold
 * the blocks 0..3 first, then 4..7, and so on.
 */
export const X: usize = 0; //            256 f32 in lanes
export const L: usize = 1024; //         256 i32 in lanes
export const WEIGHTS: usize = 2048; //   of one group of four blocks: 32 x 4 f32
export const AUX: usize = 2560;
export const SCALES: usize = 3072; //    16 f32, one per block
export const MINIMUMS: usize = 3136;
export const TOTALS: usize = 3200; //    16 f32: sums of the weights
export const STEP: usize = 3264; //      16 f32: what an integer stands for, as the file will say
export const OFFSET: usize = 3328;
export const PAIRS: usize = 3392; //     scales and minimums as lanes of a search of their own: 16 x 4 f32
export const PAIR_WEIGHTS: usize = 3648;
export const PAIR_L: usize = 3904;
export const BYTES: usize = 4160; //     256 integers, in the order of the columns
export const INDEX: usize = 4416; //     434 bytes: the table of iq4.ts
export const SCRATCH_BYTES: usize = 4864;
