/**
 * The kernels of every weight format, by number. The numbers are those of FORMATS in src/kernels/formats.ts;
 * JavaScript asks once for the function-table index of each and writes it into the op records, so that a
 * matmul op calls through the table and another kernel can be put in its place.
 */
import * as float from './float';
import * as q4_0 from './q4_0';
import * as q4_1 from './q4_1';
import * as q5_0 from './q5_0';
import * as q5_1 from './q5_1';
import * as q8_0 from './q8_0';
import * as q2_k from './q2_k';
import * as q3_k from './q3_k';
import * as q4_k from './q4_k';
import * as q5_k from './q5_k';
import * as q6_k from './q6_k';
import * as iq4_nl from './iq4_nl';
import * as mxfp4 from './mxfp4';

/** Kinds of kernels: see gemv, gemm, dequantize and repack of q4_0.ts for their parameters. */
const GEMV = 0;
const GEMM = 1;
const DEQUANTIZE = 2;

/** Function-table index of a kernel; 0xffffffff for an unknown format. */
export function kernelIndex(format: i32, kind: i32): u32 {
  switch (format) {
    case 0: return kind == GEMV ? float.gemvF32.index : kind == GEMM ? float.gemmF32.index : kind == DEQUANTIZE ? float.dequantizeF32.index : float.repackF32.index;
    case 1: return kind == GEMV ? float.gemvF16.index : kind == GEMM ? float.gemmF16.index : kind == DEQUANTIZE ? float.dequantizeF16.index : float.repack16.index;
    case 2: return kind == GEMV ? float.gemvBF16.index : kind == GEMM ? float.gemmBF16.index : kind == DEQUANTIZE ? float.dequantizeBF16.index : float.repack16.index;
    case 3: return kind == GEMV ? q4_0.gemv.index : kind == GEMM ? q4_0.gemm.index : kind == DEQUANTIZE ? q4_0.dequantize.index : q4_0.repack.index;
    case 4: return kind == GEMV ? q4_1.gemv.index : kind == GEMM ? q4_1.gemm.index : kind == DEQUANTIZE ? q4_1.dequantize.index : q4_1.repack.index;
    case 5: return kind == GEMV ? q5_0.gemv.index : kind == GEMM ? q5_0.gemm.index : kind == DEQUANTIZE ? q5_0.dequantize.index : q5_0.repack.index;
    case 6: return kind == GEMV ? q5_1.gemv.index : kind == GEMM ? q5_1.gemm.index : kind == DEQUANTIZE ? q5_1.dequantize.index : q5_1.repack.index;
    case 7: return kind == GEMV ? q8_0.gemv.index : kind == GEMM ? q8_0.gemm.index : kind == DEQUANTIZE ? q8_0.dequantize.index : q8_0.repack.index;
    case 8: return kind == GEMV ? q2_k.gemv.index : kind == GEMM ? q2_k.gemm.index : kind == DEQUANTIZE ? q2_k.dequantize.index : q2_k.repack.index;
    case 9: return kind == GEMV ? q3_k.gemv.index : kind == GEMM ? q3_k.gemm.index : kind == DEQUANTIZE ? q3_k.dequantize.index : q3_k.repack.index;
    case 10: return kind == GEMV ? q4_k.gemv.index : kind == GEMM ? q4_k.gemm.index : kind == DEQUANTIZE ? q4_k.dequantize.index : q4_k.repack.index;
    case 11: return kind == GEMV ? q5_k.gemv.index : kind == GEMM ? q5_k.gemm.index : kind == DEQUANTIZE ? q5_k.dequantize.index : q5_k.repack.index;
    case 12: return kind == GEMV ? q6_k.gemv.index : kind == GEMM ? q6_k.gemm.index : kind == DEQUANTIZE ? q6_k.dequantize.index : q6_k.repack.index;
    case 13: return kind == GEMV ? iq4_nl.gemv.index : kind == GEMM ? iq4_nl.gemm.index : kind == DEQUANTIZE ? iq4_nl.dequantize.index : iq4_nl.repack.index;
    case 14: return kind == GEMV ? mxfp4.gemv.index : kind == GEMM ? mxfp4.gemm.index : kind == DEQUANTIZE ? mxfp4.dequantize.index : mxfp4.repack.index;
    default: return 0xffffffff;
  }
}
