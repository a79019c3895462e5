/** The run-time layouts of weights, why they are what they are, and which others there would be. */
import { instantiate } from '../../kernels/exports.ts';
import { layoutsOf, signedLayout, type WeightFormat } from '../../kernels/formats.ts';
import type { KernelVariant } from '../../engine/types.ts';
import type { LayoutReason } from '../../engine/weight-layouts.ts';
import { loadKernelModule } from '../../platform/node/variant.ts';

/** Kernels that would be used here. */
export interface Kernels {
  variant: KernelVariant;
  /** Whether their dot takes whole signed bytes, with activations down to `least`. */
  signed(least: number): boolean;
}

export async function kernelsOf(variant: KernelVariant): Promise<Kernels> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const kernels = instantiate(await loadKernelModule(variant), memory);
  return { variant, signed: (least) => kernels.signedDot(least) !== 0 };
}

export interface LayoutChoice {
  layout: string;
  layoutText: string;
  reason: string;
  otherLayouts: string[];
}

/** @param kernels undefined where none run here */
export function layoutChoice(
  format: WeightFormat,
  reason: LayoutReason,
  asked: string | undefined,
  kernels: Kernels | undefined,
): LayoutChoice {
  const otherLayouts = layoutsOf(format)
    .map(({ layout }) => layout)
    .filter((layout) => layout !== format.layout);
  const signed = signedLayout(format);
  if (signed && kernels) {
    const taken = kernels.signed(signed.leastActivation);
    const why = taken ? 'takes signed bytes' : 'takes no signed bytes';
    const { layout, layoutText } = taken ? signed : format;
    return {
      layout,
      layoutText,
      reason: `the dot product of ${kernels.variant} kernels here ${why}`,
      otherLayouts,
    };
  }
  const { layout, layoutText } = format;
  return { layout, layoutText, reason: reasonText(reason, asked), otherLayouts };
}

function reasonText(reason: LayoutReason, asked: string | undefined): string {
  if (reason === 'asked') return `--layout ${asked}`;
  if (reason === 'missing') return `its default: it has no ${asked}`;
  if (reason === 'default') return 'default; compare with `nibble bench --layouts`';
  return 'the only one';
}
