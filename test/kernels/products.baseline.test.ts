/** What a kernel's first calls run: V8's baseline compiler. */
import { describe } from 'vitest';
import { BASELINE_DOT4_IS_BROKEN, VARIANTS, useCompiler } from './machine.ts';
import { productTests } from './products-suite.ts';

useCompiler('baseline');
for (const variant of VARIANTS) {
  // An engine must not choose dot4 there; a check after warming up would not see why.
  describe.skipIf(variant === 'dot4' && BASELINE_DOT4_IS_BROKEN)(`${variant}, baseline: products`, () =>
    productTests(variant),
  );
}
