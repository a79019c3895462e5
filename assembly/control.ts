/**
 * The control block: where JavaScript and the workers of a segment meet. All words are 32 bits at fixed
 * addresses; src/kernels/control.ts has the same list, and a test compares the two.
 */

/** First byte of the control block; constants (asconfig's memoryBase) lie below it. */
export const CONTROL: usize = 0x2000;

// Written during a step; each on a cache line of its own.
export const EPOCH: usize = CONTROL; //             number of the step to do; its change starts the workers
export const DONE: usize = CONTROL + 64; //         number of the last finished step
export const PROGRESS: usize = CONTROL + 128; //    changes when a sleeper must look again
export const SLEEPERS: usize = CONTROL + 132;
export const POISON: usize = CONTROL + 192; //      not 0: a worker died, all give up
export const STOP: usize = CONTROL + 196; //        not 0: the workers return
export const BROKEN: usize = CONTROL + 200; //      not 0: NaN went into the KV cache, where f16 cannot show it

// Written once, before the first step.
export const THREADS: usize = CONTROL + 256;
export const OPS: usize = CONTROL + 260; //         how many op records
export const PROGRAM: usize = CONTROL + 264; //     first op record
export const TICKETS: usize = CONTROL + 268; //     per op, 16 bytes: i64 {step:32, chunks taken:32}, i64 {step:32, chunks done:32}
export const PRIVATE: usize = CONTROL + 276; //     first worker's private region: activations of one token, then scratch
export const PRIVATE_BYTES: usize = CONTROL + 280;
export const SCRATCH_OFFSET: usize = CONTROL + 284; // scratch within a private region
export const KV_BASE: usize = CONTROL + 288; //     first page of the KV cache
export const KV_PAGE_BYTES: usize = CONTROL + 292;
export const PROFILE: usize = CONTROL + 296; //     0, or the table of times: per worker, per op, f64 milliseconds
export const HIDDEN: usize = CONTROL + 300; //      hidden state, f32 [tokens][width]

// Mixture of experts: a pair is a token and one of its chosen experts. Written by ROUTE and SORT (ops/route.ts).
export const CHOSEN: usize = CONTROL + 304; //      i32 [tokens][used]: expert of each pair
export const SHARES: usize = CONTROL + 308; //      f32 [tokens][used]: its weight in the sum
export const PLACES: usize = CONTROL + 312; //      i32 [tokens][used]: where the pair lies when sorted by expert
export const ACTIVE: usize = CONTROL + 316; //      i32 how many experts have pairs, then of each: expert, first place, pairs

// Written before each step.
export const TOKENS: usize = CONTROL + 320; //      tokens in this batch
export const OUTPUTS: usize = CONTROL + 324; //     rows whose logits are wanted
export const TOKEN_IDS: usize = CONTROL + 328; //   i32 per token
export const POSITIONS: usize = CONTROL + 332; //   i32 per token
export const PAGE_TABLES: usize = CONTROL + 336; // per token: address of its sequence's page numbers, u32 each
export const OUTPUT_ROWS: usize = CONTROL + 340; // i32 per output: its row in the batch
export const ROPE_TABLES: usize = CONTROL + 344; // two addresses: per token, cos then sin of rotary/2 angles, f32

/** Positions in one page of the KV cache. */
export const PAGE: i32 = 64;
/**
 * Rows of an attention chunk at most, unless a KV head has more queries: room in the scratch. More rows share what it
 * takes to make a page's keys and values f32.
 */
export const ATTEND_ROWS: i32 = 64;
