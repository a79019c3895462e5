/**
 * Op records: a program is a flat array of them, 128 bytes each, all words 32 bits. src/kernels/record.ts
 * has the same list for the compiler of programs; a test compares the two.
 */
export const RECORD_BYTES: usize = 128;

// What every record has.
export const OPCODE: usize = 0;
export const FLAGS: usize = 4;
/** Index of the record whose counters the chunks of this op count on: the next one with a barrier. */
export const GROUP: usize = 8;

// Opcodes.
export const OP_EMBED = 1;
export const OP_ACTIVATE = 2;
export const OP_MATMUL = 3;
export const OP_ROTATE = 4;
export const OP_ATTEND = 5;
export const OP_ADD_NORM = 6;
export const OP_GATHER = 7;
export const OP_RECEIVE = 8;
export const OP_GATE = 9;
export const OP_ROUTE = 10;
export const OP_SORT = 11;
export const OP_DISPATCH = 12;
export const OP_EXPERTS = 13;
export const OP_COMBINE = 14;
export const OP_NORM = 15;
export const OP_HEADS = 16;
export const OP_LATENT = 17;
export const OP_ADD = 18;
export const OP_STORE = 19;
export const OP_LINEAR = 20;
export const OP_SETTLE = 21;
export const OP_SHARE = 22;

// Flags.
/** All chunks of the group must be done before the next op starts. */
export const BARRIER: u32 = 1;
/** The op works on the rows whose logits are wanted, not on all tokens of the batch. */
export const ON_OUTPUTS: u32 = 2;
/** Rotary pairs are (i, i + n/2) instead of (2i, 2i + 1). */
export const NEOX: u32 = 4;
/** Matmul with f32 activations through DEQUANTIZE. */
export const EXACT: u32 = 8;
/** The op's rows are pairs of a token and an expert: USED for each token. */
export const ON_PAIRS: u32 = 16;
/** A single token's activations are not dispatched: all its experts read its own row. */
export const ONE_ROW: u32 = 32;
/** Matmul: the sums go through ACTIVATION, as in a feed-forward without a gate. */
export const ACTED: u32 = 64;
/** ATTEND: values are the first VALUE_WIDTH channels of the keys; there is no cache of their own. */
export const LATENT: u32 = 128;
/** ATTEND: a token sees all tokens of its sequence in the batch, later ones too. */
export const BIDIRECTIONAL: u32 = 256;
/** MATMUL: the sums are multiplied by scales before they meet what TO starts with. */
export const SCALED: u32 = 512;
/** ATTEND: queries, keys and values are whole numbers, and so are the probabilities, in steps of 1/127. */
export const INT8: u32 = 1024;

// Source and destination of most ops: f32 rows, and the bytes from one row to the next.
export const FROM: usize = 12;
export const FROM_STRIDE: usize = 16;
export const TO: usize = 20;
export const TO_STRIDE: usize = 24;
export const WIDTH: usize = 28;

// EMBED: TO row t = SCALE * a row of the matrix, or TO += it, as START says.  MATMUL: TO (+)= activations x matrix.
export const WEIGHTS: usize = 32;
export const GROUP_BYTES: usize = 36; //   of 8 rows
export const ROW_GROUPS: usize = 40;
export const UNITS: usize = 44; //         blocks of 32 columns, or columns, as the kernel counts
export const DEQUANTIZE: usize = 48;
export const SCALE: usize = 52; //        f32; for ACT_SOFTCAP the cap
export const GEMV: usize = 56;
export const GEMM: usize = 60;
export const ROWS_BY: usize = 64; //       EMBED: which row of the matrix: BY_*
export const X_SHARED: usize = 64; //      activations of a batch: address
export const X_PRIVATE: usize = 68; //     activations of a single row: offset in the private region
export const X_STRIDE: usize = 72;
export const START: usize = 76; //         how TO starts: START_*
export const BIAS: usize = 80;
export const UP_WEIGHTS: usize = 84; //    not 0: TO = act(activations x WEIGHTS) * (activations x UP_WEIGHTS)
export const ACTIVATION: usize = 88;
export const NIBBLES: usize = 120; //      not 0: weights lie in a nibble plane alone
export const BY_TOKEN = 0;
export const BY_POSITION = 1;
export const BY_ZERO = 2; //               row 0 for all: the first token type
export const START_ZERO = 0;
export const START_ADD = 1;
export const START_BIAS = 2;
export const START_ADD_BIAS = 3;

// MATMUL with SCALED: TO (+)= SUM_SCALE * ROW_SCALES * (activations x matrix).
export const SUM_SCALE: usize = 112; //    f32
export const ROW_SCALES: usize = 116; //   address of an f32 for each row, or 0

// MATMUL without UP_WEIGHTS: beside each row of TO the largest of every PEAK_SPAN of its values, as f32.
export const PEAKS: usize = 124; //        address, or 0: none
export const PEAKS_STRIDE: usize = 108; // bytes from one row's peaks to the next one's
export const PEAK_SPAN = 32;

// EXPERTS: as MATMUL, for each expert with its pairs. ROUTE, SORT, COMBINE and ON_PAIRS: USED. DISPATCH: WIDTH is bytes.
export const PART_BYTES: usize = 92; //    from one expert's weights to the next one's
export const PARTS: usize = 96; //         how many experts
export const USED: usize = 100; //         experts of a token

// LINEAR: as MATMUL, by a kernel from outside, GEMV; UNITS workers share it.  SETTLE: TO (+)= FROM, as MATMUL ends.
export const COUNTER: usize = 124; //      of LINEAR: 0 at the start of a step

// HEADS: as MATMUL, for PARTS heads, each with its matrix, its part of the activations and of TO.
export const X_STEP: usize = 104; //       bytes from one head's activations to the next one's
export const TO_STEP: usize = 108; //      bytes from one head's results to the next one's

// ROUTE: FROM holds WIDTH scores of the experts; BIAS (or 0) is added for the choice alone; SCALE multiplies the weights.
export const SCORING: usize = 32; //       SCORE_*
export const NORMALIZE: usize = 36; //     not 0: a token's weights are divided by their sum
export const EXPERT_GROUPS: usize = 40; // not 0: only the experts of GROUPS_USED groups of neighbours are eligible
export const GROUPS_USED: usize = 44;
export const SCORE_SOFTMAX = 0;
export const SCORE_SIGMOID = 1;
export const ACT_SILU = 0;
export const ACT_GELU = 1; //              the tanh form
export const ACT_GELU_ERF = 2;
export const ACT_RELU = 3;
export const ACT_TANH = 4;
export const ACT_SOFTCAP = 5; //           SCALE * tanh(x / SCALE)
export const ACT_INT8 = 6; //              rounded, ties to even, and clipped to -128..127

// GATE: TO = act(TO) * FROM, for gate and up matrices of different formats.
// SHARE: TO *= sigmoid(the first value of FROM's row): the part of a shared expert.

// NORM: TO = norm(FROM), in place or not.  ADD_NORM: TO += norm(FROM).
// ACTIVATE: normalizes rows (where NORM says so) and quantizes them for the matmuls that follow.
export const NORM: usize = 32;
export const NORM_WEIGHT: usize = 36;
export const NORM_BIAS: usize = 40;
export const EPSILON: usize = 44; //       f32
export const X8_SHARED: usize = 48; //     three forms of activations, each wanted where its stride is not 0
export const X8_PRIVATE: usize = 52;
export const X8_STRIDE: usize = 56;
export const X16_SHARED: usize = 60;
export const X16_PRIVATE: usize = 64;
export const X16_STRIDE: usize = 68;
export const X32_SHARED: usize = 72;
export const X32_PRIVATE: usize = 76;
export const X32_STRIDE: usize = 80;
export const XS_SHARED: usize = 88; //     int16 again, with INPUT_SCALE for all of a row
export const XS_PRIVATE: usize = 92;
export const XS_STRIDE: usize = 96;
export const INPUT_SCALE: usize = 104; //  f32
export const OBSERVED: usize = 84; //      not 0: f32 rows, side by side, are copied here for whoever looks on; ROUTE, SORT: [pairs] of
//                                        i32 expert, i32 place
export const NORM_NONE = 0;
export const NORM_RMS = 1;
export const NORM_LAYER = 2;

// ADD: TO += FROM.  STORE: what ROTATE does with the cache, on its own. Only programs without fusion have them.

// ROTATE: per head: norm (where there are weights), rotary embedding of Q (in place) and K, K and V to the cache.
// ATTEND: FROM is Q, TO the attention's output.
export const HEADS: usize = 32;
export const KV_HEADS: usize = 36;
export const HEAD_WIDTH: usize = 40; //    of Q and K
export const VALUE_WIDTH: usize = 44; //   of V
export const K_CACHE: usize = 48; //       offset of this layer's keys in a page
export const V_CACHE: usize = 52;
export const KV_TYPE: usize = 56;
export const K_FROM: usize = 60;
export const V_FROM: usize = 64;
export const K_STRIDE: usize = 68; //      bytes between rows
export const V_STRIDE: usize = 104;
export const ROTARY: usize = 72; //        how many values of a head are rotated
export const ROPE_TABLE: usize = 76; //    0 or 1
export const Q_NORM: usize = 80; //        address of HEAD_WIDTH f32, or 0
export const K_NORM: usize = 84;
export const HEAD_EPSILON: usize = 88; //  f32
export const WINDOW: usize = 92; //        positions a token sees, itself included; 0: all
export const SOFTMAX_SCALE: usize = 96; // f32
export const SOFTCAP: usize = 100; //      f32; 0: none
export const OUTPUT_SCALE: usize = 108; // f32, with INT8: factor on the sums of probabilities (0..127) and values
// LATENT: FROM is Q as it was projected, TO what ATTEND takes as Q; the cache gets HEAD_WIDTH values of K_FROM.
export const QUERY_WIDTH: usize = 64; //   of a head in FROM
export const KV_F32 = 0;
export const KV_F16 = 1;
export const KV_Q8_0 = 2;
/** ROTATE leaves the cache to a STORE. */
export const KV_NONE = 3;
/** Laid out as q8_0, of whole numbers within int8: every scale is 1. */
export const KV_INT8 = 4;
