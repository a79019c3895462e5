/** `nibble inspect kernels`: the weight formats, and how the variants of the kernels did here. */
import { FORMATS } from '../../kernels/formats.ts';
import type { CliContext } from '../context.ts';
import { plainTable } from '../table.ts';
import { numberText } from '../text.ts';
import type { InspectFlags } from './flags.ts';
import { variantChoice } from './variant.ts';

export async function inspectKernels(context: CliContext, flags: InspectFlags): Promise<void> {
  const choice = await variantChoice(flags.variant);
  const variant = typeof choice === 'string' ? undefined : choice.variant;
  const results = typeof choice === 'string' ? [] : (choice.results ?? []);
  const formats = FORMATS.map((format) => ({
    name: format.name,
    type: format.type,
    blockColumns: format.blockColumns,
    blockBytes: format.blockBytes,
    bitsPerWeight: (8 * format.blockBytes) / format.blockColumns,
    // A group has 8 rows: what the layout takes at run time against what the file takes.
    sizeRatio: format.groupBlockBytes / (8 * format.blockBytes),
    activations: format.form === 'f32' ? 'f32' : 'int8',
    layout: format.layout,
    errorBudget: format.errorBudget,
  }));
  if (flags.json) {
    const source = typeof choice === 'string' ? choice : (choice.source ?? null);
    return context.json({ formats, variant: variant ?? null, variantSource: source, race: results });
  }
  const right = 'right' as const;
  context.print(
    plainTable(
      [
        { title: 'FORMAT' },
        { title: 'TYPE', align: right },
        { title: 'BITS/WEIGHT', align: right },
        { title: 'IN MEMORY', align: right },
        { title: 'ACTIVATIONS' },
        { title: 'LAYOUT' },
      ],
      formats.map((format) => [
        format.name,
        String(format.type),
        format.bitsPerWeight.toFixed(3).replace(/\.?0+$/, ''),
        `x ${format.sizeRatio.toFixed(3)}`,
        format.activations,
        format.layout,
      ]),
    ),
  );
  context.print('\n');
  if (typeof choice === 'string') return context.print(`kernels: none chosen: ${choice}\n`);
  if (results.length > 0) {
    context.print(
      plainTable(
        [
          { title: 'VARIANT' },
          { title: 'CHECK' },
          { title: 'GEMV GMAC/s', align: right },
          { title: 'GEMM GMAC/s', align: right },
        ],
        results.map((result) => [
          result.variant,
          result.ok ? 'right' : (result.reason ?? 'wrong'),
          numberText(result.gmacs?.gemv),
          numberText(result.gmacs?.gemm),
        ]),
      ),
    );
  }
  context.print(`chosen: ${variant}${choice.source ? ` (${choice.source})` : ''}\n`);
}
