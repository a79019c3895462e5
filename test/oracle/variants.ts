/** Which kernel variants can be tested here. */
import { Contestant, fault, VARIANTS, type Variant } from '../../src/kernels/race.ts';
import { loadKernelModule, setV8Flags } from '../../src/platform/node/variant.ts';

export interface TestedVariant {
  variant: Variant;
  /** Why it cannot be tested: no relaxed SIMD, or V8 compiles it wrongly. */
  excluded?: string;
}

/** Checks each variant as the engine would run it: in V8's baseline compiler first. */
async function check(): Promise<TestedVariant[]> {
  setV8Flags();
  let reference: Float32Array[] | undefined;
  const tested: TestedVariant[] = [];
  for (const variant of VARIANTS) {
    try {
      const outputs = new Contestant(await loadKernelModule(variant)).check();
      reference ??= outputs;
      tested.push({ variant, excluded: fault(outputs, reference) });
    } catch (error) {
      tested.push({ variant, excluded: error instanceof Error ? error.message : String(error) });
    }
  }
  if (tested[0]!.excluded !== undefined) throw new Error(`plain SIMD fails: ${tested[0]!.excluded}`);
  return tested;
}

/** All variants, with the reason where one has to be skipped. */
export const TESTED_VARIANTS: readonly TestedVariant[] = await check();

export const AVAILABLE: readonly Variant[] = TESTED_VARIANTS.filter(
  ({ excluded }) => excluded === undefined,
).map(({ variant }) => variant);
