import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Engine tests start worker pools of their own: more than two test files at once only slow each other.
    maxWorkers: 2,
    // Relaxed SIMD is behind a V8 flag on Node 20 only.
    execArgv: process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [],
  },
});
