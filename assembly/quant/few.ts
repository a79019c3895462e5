/** Where few tokens meet the weights of a GEMM on x86, and reading these from memory takes part of the time. */

/** Below this many tokens weights are taken as they lie (block32-few.ts, superblock-few.ts): to unpack them costs as much as two tokens. */
export const FEW_TOKENS = 8;
/** Below this many tokens no more than STRETCH blocks of 32 columns at a time meet them: memory brings the next ones meanwhile. */
export const MANY_TOKENS = 32;
export const STRETCH = 8;
