/**
 * The kernels of every weight format, by number. The numbers are those of FORMATS in src/kernels/formats.ts;
 * JavaScript asks once for the function-table index of each and writes it into the op records, so that a
 * matmul op calls through the table and another kernel can be put in its place.
 */
import * as float from './float';
import * as interleaved from './q4_0-interleaved';
import * as q4_0 from './q4_0';
import * as q4_0Signed from './q4_0-signed';
import * as q4_0Rows from './q4_0-rows';
import * as q4_0_4x4 from './q4_0-4x4';
import * as q4_0_4x8 from './q4_0-4x8';
import * as q4_0_8x8 from './q4_0-8x8';
import * as q4_1 from './q4_1';
import * as q5_0 from './q5_0';
import * as q5_1 from './q5_1';
import * as q8_0 from './q8_0';
import * as q2_k from './q2_k';
import * as q3_k from './q3_k';
import * as q4_k from './q4_k';
import * as q5_k from './q5_k';
import * as q6_k from './q6_k';
import * as iq4_xs from './iq4_xs';
import * as iq4_xsSigned from './iq4_xs-signed';
import * as i8int from './i8';
import * as i8Signed from './i8-signed';
import * as linear from './q4-linear';
import * as iq4_nl from './iq4_nl';
import * as iq4_nlSigned from './iq4_nl-signed';
import * as q8_0Signed from './q8_0-signed';
import { DOT4, LEAST_DYNAMIC, LEAST_STATIC, signedDot } from '../isa';
import * as mxfp4 from './mxfp4';

/** Kinds of kernels: see q4_0.ts for their parameters. */
const GEMV = 0;
const GEMM = 1;
const DEQUANTIZE = 2;

// @ts-ignore: decorator
@inline function pick(kind: i32, gemv: u32, gemm: u32, dequantize: u32, repack: u32): u32 {
  return kind == GEMV ? gemv : kind == GEMM ? gemm : kind == DEQUANTIZE ? dequantize : repack;
}

/** Function-table index of a kernel; 0 for an unknown format. */
export function kernelIndex(format: i32, kind: i32): u32 {
  if (VARIANT == DOT4 && signedDot(LEAST_DYNAMIC)) {
    if (format == 3) return pick(kind, q4_0Signed.gemv.index, q4_0Signed.gemm.index, q4_0Signed.dequantize.index, q4_0Signed.repack.index);
    if (format == 7) return pick(kind, q8_0Signed.gemv.index, q8_0Signed.gemm.index, q8_0Signed.dequantize.index, q8_0Signed.repack.index);
    if (format == 13) return pick(kind, iq4_nlSigned.gemv.index, iq4_nlSigned.gemm.index, iq4_nlSigned.dequantize.index, iq4_nlSigned.repack.index);
    if (format == 19) return pick(kind, iq4_xsSigned.gemv.index, iq4_xsSigned.gemm.index, iq4_xsSigned.dequantize.index, iq4_xsSigned.repack.index);
  }
  if (VARIANT == DOT4 && signedDot(LEAST_STATIC)) {
    if (format == 18) return pick(kind, i8Signed.gemv.index, i8Signed.gemm.index, i8Signed.dequantize.index, i8Signed.repack.index);
  }
  switch (format) {
    case 0: return pick(kind, float.gemvF32.index, float.gemmF32.index, float.dequantizeF32.index, float.repackF32.index);
    case 1: return pick(kind, float.gemvF16.index, float.gemmF16.index, float.dequantizeF16.index, float.repackF16.index);
    case 2: return pick(kind, float.gemvBF16.index, float.gemmBF16.index, float.dequantizeBF16.index, float.repackBF16.index);
    case 3: return pick(kind, q4_0.gemv.index, q4_0.gemm.index, q4_0.dequantize.index, q4_0.repack.index);
    case 4: return pick(kind, q4_1.gemv.index, q4_1.gemm.index, q4_1.dequantize.index, q4_1.repack.index);
    case 5: return pick(kind, q5_0.gemv.index, q5_0.gemm.index, q5_0.dequantize.index, q5_0.repack.index);
    case 6: return pick(kind, q5_1.gemv.index, q5_1.gemm.index, q5_1.dequantize.index, q5_1.repack.index);
    case 7: return pick(kind, q8_0.gemv.index, q8_0.gemm.index, q8_0.dequantize.index, q8_0.repack.index);
    case 8: return pick(kind, q2_k.gemv.index, q2_k.gemm.index, q2_k.dequantize.index, q2_k.repack.index);
    case 9: return pick(kind, q3_k.gemv.index, q3_k.gemm.index, q3_k.dequantize.index, q3_k.repack.index);
    case 10: return pick(kind, q4_k.gemv.index, q4_k.gemm.index, q4_k.dequantize.index, q4_k.repack.index);
    case 11: return pick(kind, q5_k.gemv.index, q5_k.gemm.index, q5_k.dequantize.index, q5_k.repack.index);
    case 12: return pick(kind, q6_k.gemv.index, q6_k.gemm.index, q6_k.dequantize.index, q6_k.repack.index);
    case 13: return pick(kind, iq4_nl.gemv.index, iq4_nl.gemm.index, iq4_nl.dequantize.index, iq4_nl.repack.index);
    case 14: return pick(kind, mxfp4.gemv.index, mxfp4.gemm.index, mxfp4.dequantize.index, mxfp4.repack.index);
    case 15: return pick(kind, q4_0.gemv.index, q4_0.gemm.index, q4_0.dequantize.index, interleaved.repack4x4.index);
    case 16: return pick(kind, q4_0.gemv.index, q4_0.gemm.index, q4_0.dequantize.index, interleaved.repack4x8.index);
    case 17: return pick(kind, q4_0.gemv.index, q4_0.gemm.index, q4_0.dequantize.index, interleaved.repack8x8.index);
    case 18: return pick(kind, i8int.gemv.index, i8int.gemm.index, i8int.dequantize.index, i8int.repack.index);
    case 19: return pick(kind, iq4_xs.gemv.index, iq4_xs.gemm.index, iq4_xs.dequantize.index, iq4_xs.repack.index);
    // Other layouts of Q4_0.
    case 40: return pick(kind, q4_0Rows.gemv.index, q4_0Rows.gemm.index, q4_0Rows.dequantize.index, q4_0Rows.repack.index);
    case 41: return pick(kind, q4_0_4x4.gemv.index, q4_0_4x4.gemm.index, q4_0_4x4.dequantize.index, q4_0_4x4.repack.index);
    case 42: return pick(kind, q4_0_4x8.gemv.index, q4_0_4x8.gemm.index, q4_0_4x8.dequantize.index, q4_0_4x8.repack.index);
    case 43: return pick(kind, q4_0_8x8.gemv.index, q4_0_8x8.gemm.index, q4_0_8x8.dequantize.index, q4_0_8x8.repack.index);
    // For kernels from outside: src/engine/linear.ts.
    case 32: return pick(kind, 0, 0, 0, linear.repackQ4_0Groups.index);
    case 33: return pick(kind, 0, 0, 0, linear.repackQ4_0Rows.index);
    case 34: return pick(kind, 0, 0, 0, linear.repackQ4_1Rows.index);
    default: return 0;
  }
}
