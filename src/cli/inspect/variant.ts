/** The kernel variant that would be used here, and what the race said. */
import { NibbleError } from '../../errors.ts';
import type { KernelVariant } from '../../engine/types.ts';
import { chooseVariant, setV8Flags, type VariantChoice } from '../../platform/node/variant.ts';

/** The choice, or in one line why there is none. */
export async function variantChoice(pinned: KernelVariant | undefined): Promise<VariantChoice | string> {
  // Without its flag Node 20 denies relaxed SIMD.
  setV8Flags();
  try {
    return await chooseVariant({ pinned });
  } catch (error) {
    if (error instanceof NibbleError) return error.message;
    throw error;
  }
}
