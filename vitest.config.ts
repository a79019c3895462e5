import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Engine tests start worker pools of their own: more than two test files at once only slow each other.
    maxWorkers: 2,
    execArgv: [
      // Relaxed SIMD is behind a V8 flag on Node 20 only.
      ...(process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : []),
      // Further flags to test under, such as --experimental-wasm-revectorize.
      ...(process.env['NIBBLE_TEST_V8_FLAGS']?.split(' ') ?? []),
    ],
  },
});
