/** `nibble inspect kernels [MODEL]`: weight formats and their layouts, and how the variants of the kernels did here. */
import { layoutReason } from '../../engine/weight-layouts.ts';
import { FORMATS, inLayout, type WeightFormat } from '../../kernels/formats.ts';
import { plannedLayouts } from '../../platform/node/load-model.ts';
import type { VariantResult } from '../../platform/node/variant.ts';
import type { CliContext } from '../context.ts';
import { loadOptionsOf } from '../options.ts';
import { plainTable, type Column } from '../table.ts';
import { bytesText, numberText } from '../text.ts';
import type { InspectFlags } from './flags.ts';
import { kernelsOf, layoutChoice, type Kernels, type LayoutChoice } from './layouts.ts';
import { variantChoice } from './variant.ts';
import { withFile } from './with-file.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const LAYOUT_COLUMNS = [{ title: 'LAYOUT' }, { title: 'WHY' }, { title: 'OTHERS' }];

export async function inspectKernels(
  context: CliContext,
  model: string | undefined,
  flags: InspectFlags,
): Promise<void> {
  const choice = await variantChoice(flags.variant);
  const none = typeof choice === 'string' ? choice : undefined;
  const kernels = typeof choice === 'string' ? undefined : await kernelsOf(choice.variant);
  const race = typeof choice === 'string' ? [] : (choice.results ?? []);
  const source = typeof choice === 'string' ? undefined : choice.source;
  const formats = FORMATS.map((format) => describe(format, flags.layout, kernels));
  const types = model === undefined ? undefined : await typesOf(context, model, flags, kernels);
  if (flags.json) {
    const variant = kernels?.variant ?? null;
    const rest = types && { model, types };
    return context.json({ formats, ...rest, variant, variantSource: none ?? source ?? null, race });
  }
  context.print(types ? typeTable(types) : formatTable(formats));
  context.print('\n');
  if (!kernels) return context.print(`kernels: none chosen: ${none}\n`);
  if (race.length > 0) context.print(raceTable(race));
  context.print(`chosen: ${kernels.variant}${source ? ` (${source})` : ''}\n`);
}

interface FormatRow extends LayoutChoice {
  name: string;
  type: number;
  blockColumns: number;
  blockBytes: number;
  bitsPerWeight: number;
  /** What the layout takes at run time against what the file takes. */
  sizeRatio: number;
  activations: 'f32' | 'int8';
  errorBudget: number;
}

function describe(format: WeightFormat, asked: string | undefined, kernels: Kernels | undefined): FormatRow {
  const used = (asked !== undefined && inLayout(format, asked)) || format;
  return {
    name: format.name,
    type: format.type,
    blockColumns: format.blockColumns,
    blockBytes: format.blockBytes,
    bitsPerWeight: (8 * format.blockBytes) / format.blockColumns,
    // A group has 8 rows.
    sizeRatio: used.groupBlockBytes / (8 * used.blockBytes),
    activations: format.form === 'f32' ? 'f32' : 'int8',
    errorBudget: format.errorBudget,
    ...layoutChoice(used, layoutReason(used, asked), asked, kernels),
  };
}

interface TypeRow extends LayoutChoice {
  type: string;
  tensors: number;
  bytes: number;
}

/** The types of a model's weights, those with the most bytes first. */
async function typesOf(
  context: CliContext,
  model: string,
  flags: InspectFlags,
  kernels: Kernels | undefined,
): Promise<TypeRow[]> {
  const rows: TypeRow[] = [];
  await withFile(context, model, flags, async (file) => {
    for (const { type, tensors, bytes, format, reason } of await plannedLayouts(file, loadOptionsOf(flags))) {
      const choice = layoutChoice(format, reason, flags.layout, kernels);
      rows.push({ type, tensors: tensors.length, bytes, ...choice });
    }
  });
  return rows;
}

function layoutCells({ layout, layoutText, reason, otherLayouts }: LayoutChoice): string[] {
  return [`${layout}: ${layoutText}`, reason, otherLayouts.join(' ') || '-'];
}

function typeTable(types: readonly TypeRow[]): string {
  return plainTable(
    [{ title: 'WEIGHTS' }, right('TENSORS'), right('BYTES'), ...LAYOUT_COLUMNS],
    types.map((row) => [row.type, String(row.tensors), bytesText(row.bytes), ...layoutCells(row)]),
  );
}

function formatTable(formats: readonly FormatRow[]): string {
  return plainTable(
    [
      { title: 'FORMAT' },
      right('TYPE'),
      right('BITS/WEIGHT'),
      right('IN MEMORY'),
      { title: 'ACTIVATIONS' },
      ...LAYOUT_COLUMNS,
    ],
    formats.map((format) => [
      format.name,
      String(format.type),
      format.bitsPerWeight.toFixed(3).replace(/\.?0+$/, ''),
      `x ${format.sizeRatio.toFixed(3)}`,
      format.activations,
      ...layoutCells(format),
    ]),
  );
}

function raceTable(results: readonly VariantResult[]): string {
  return plainTable(
    [{ title: 'VARIANT' }, { title: 'CHECK' }, right('GEMV GMAC/s'), right('GEMM GMAC/s')],
    results.map((result) => [
      result.variant,
      result.ok ? 'right' : (result.reason ?? 'wrong'),
      numberText(result.gmacs?.gemv),
      numberText(result.gmacs?.gemm),
    ]),
  );
}
