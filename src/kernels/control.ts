/**
 * Addresses of the control block, as assembly/control.ts defines them. A test holds the two lists together;
 * the meaning of each word is written there.
 */
export const CONTROL = 0x2000;
export const EPOCH = CONTROL;
export const DONE = CONTROL + 64;
export const PROGRESS = CONTROL + 128;
export const SLEEPERS = CONTROL + 132;
export const POISON = CONTROL + 192;
export const STOP = CONTROL + 196;
export const BROKEN = CONTROL + 200;
export const THREADS = CONTROL + 256;
export const OPS = CONTROL + 260;
export const PROGRAM = CONTROL + 264;
export const TICKETS = CONTROL + 268;
export const PRIVATE = CONTROL + 276;
export const PRIVATE_BYTES = CONTROL + 280;
export const SCRATCH_OFFSET = CONTROL + 284;
export const KV_BASE = CONTROL + 288;
export const KV_PAGE_BYTES = CONTROL + 292;
export const PROFILE = CONTROL + 296;
export const HIDDEN = CONTROL + 300;
export const CHOSEN = CONTROL + 304;
export const SHARES = CONTROL + 308;
export const PLACES = CONTROL + 312;
export const ACTIVE = CONTROL + 316;
export const TOKENS = CONTROL + 320;
export const OUTPUTS = CONTROL + 324;
export const TOKEN_IDS = CONTROL + 328;
export const POSITIONS = CONTROL + 332;
export const PAGE_TABLES = CONTROL + 336;
export const OUTPUT_ROWS = CONTROL + 340;
export const ROPE_TABLES = CONTROL + 344;
export const PAGE = 64;
export const ATTEND_ROWS = 64;
