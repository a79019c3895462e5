/**
 * What this JavaScript engine's WebAssembly can do. WebAssembly hides the CPU, but not itself: a tiny module
 * that uses a feature either validates or does not.
 */
import { ModelError } from '../errors.ts';

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** Type section: () -> v128; function section: one function of that type. */
const RETURNS_V128 = [0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00];
/** i32.const 0; i8x16.splat */
const SPLAT = [0x41, 0x00, 0xfd, 0x0f];

function validates(...bytes: readonly number[]): boolean {
  return WebAssembly.validate(Uint8Array.from([...HEADER, ...bytes]));
}

/** 128-bit SIMD: everything here needs it. */
export function hasSimd(): boolean {
  // code section, one body: splat; i8x16.popcnt (the instruction that came last into the standard); end
  return validates(...RETURNS_V128, 0x0a, 0x0a, 0x01, 0x08, 0x00, ...SPLAT, 0xfd, 0x62, 0x0b);
}

/** Relaxed SIMD: what the variants dot2 and dot4 need. */
export function hasRelaxedSimd(): boolean {
  // three splats; i32x4.relaxed_dot_i8x16_i7x16_add_s; end
  const body = [0x00, ...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x93, 0x02, 0x0b];
  return validates(...RETURNS_V128, 0x0a, body.length + 2, 0x01, body.length, ...body);
}

/** Memory shared between threads, with atomic instructions. */
export function hasThreads(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false; // a web page that is not cross-origin isolated
  return validates(
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00], // one function () -> ()
    ...[0x05, 0x04, 0x01, 0x03, 0x01, 0x01], // shared memory of one page, at most one
    ...[0x0a, 0x0b, 0x01, 0x09, 0x00, 0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, 0x1a, 0x0b], // i32.atomic.load; drop
  );
}

/** Throws the one clear error of hosts that cannot run nibble at all. */
export function requireSimd(): void {
  if (hasSimd()) return;
  throw new ModelError(
    'this JavaScript engine has no WebAssembly SIMD, which nibble needs: use Node 20 or newer on an x86-64 CPU with SSE4.1 or on a 64-bit ARM CPU',
    { code: 'ERR_NO_SIMD' },
  );
}
