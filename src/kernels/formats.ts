/**
 * The weight formats: one row each, and one for each other layout of a format. `kernel` is the row's number in
 * assembly/quant/index.ts; layouts are drawn at the top of assembly/quant/*.ts.
 */

/**
 * Which form of the activations a format's kernels multiply with: see assembly/quant/activations.ts. `static` is int16
 * quantized with a scale that the file prescribes, instead of one for each block as it comes.
 */
export type ActivationForm = 'int8' | 'int16' | 'static' | 'f32';

export interface WeightFormat {
  name: string;
  /** GGUF tensor type. */
  type: number;
  kernel: number;
  /** Columns in one block of the file, and the block's bytes. */
  blockColumns: number;
  blockBytes: number;
  /** Bytes of a run-time group of 8 rows, per `blockColumns` columns. */
  groupBlockBytes: number;
  /** Columns per unit as the kernels count: blocks of 32, or single columns. */
  unitColumns: number;
  form: ActivationForm;
  /** Name of the run-time layout, as --layout takes it: rows and columns (of ggml's: bytes) that lie together. */
  layout: string;
  /** The same in words. */
  layoutText: string;
  /** Weights lie in a nibble plane alone: a few rows need no unpacking. */
  nibbles: boolean;
  /** Rows that lie interleaved in the file; their number must divide a matrix's rows, or it is plain Q4_0. */
  interleave?: number;
  /**
   * Largest error of a dot product against the naive twin, relative to the sum of |w x|: f32 rounding for
   * float formats; for the others the rounding of activations to 8 bits is added by the caller of the twin.
   */
  errorBudget: number;
}

/** The layout that is unpacked fastest: the GEMV's loop hardly notices. */
const NIBBLE_PLANE = '8 rows x 4 columns, nibble plane';

/** `8x4` of '8 rows x 4 columns ...'; `rows` where none lie together. */
function layoutName(text: string): string {
  const [, rows, run] = /^(\d+) rows x (\d+) /.exec(text) ?? [];
  return rows === undefined ? 'rows' : `${rows}x${run}`;
}

function row(
  name: string,
  type: number,
  kernel: number,
  [blockColumns, blockBytes, groupBlockBytes]: [number, number, number],
  form: ActivationForm,
  layoutText: string,
  interleave?: number,
): WeightFormat {
  const unitColumns = form === 'f32' ? 1 : 32;
  const errorBudget = form === 'f32' ? 2e-6 : 1e-6;
  return {
    name,
    type,
    kernel,
    blockColumns,
    blockBytes,
    groupBlockBytes,
    unitColumns,
    form,
    layout: layoutName(layoutText),
    layoutText,
    nibbles: layoutText === NIBBLE_PLANE,
    interleave,
    errorBudget,
  };
}

export const FORMATS: readonly WeightFormat[] = [
  row('F32', 0, 0, [1, 4, 32], 'f32', '8 rows x 1 column'),
  row('F16', 1, 1, [1, 2, 16], 'f32', '8 rows x 1 column'),
  row('BF16', 30, 2, [1, 2, 16], 'f32', '8 rows x 1 column'),
  row('Q4_0', 2, 3, [32, 18, 144], 'int8', NIBBLE_PLANE),
  row('Q4_1', 3, 4, [32, 20, 160], 'int8', NIBBLE_PLANE),
  row('Q5_0', 6, 5, [32, 22, 176], 'int8', '8 rows x 4 columns, nibble + bit plane'),
  row('Q5_1', 7, 6, [32, 24, 192], 'int8', '8 rows x 4 columns, nibble + bit plane'),
  row('Q8_0', 8, 7, [32, 34, 272], 'int16', '8 rows x 2 columns, bytes'),
  row('Q2_K', 10, 8, [256, 84, 672], 'int8', '8 rows x 4 columns, 2-bit plane'),
  row('Q3_K', 11, 9, [256, 110, 912], 'int8', '8 rows x 4 columns, 2-bit + bit plane'),
  row('Q4_K', 12, 10, [256, 144, 1184], 'int8', NIBBLE_PLANE),
  row('Q5_K', 13, 11, [256, 176, 1440], 'int8', '8 rows x 4 columns, paired nibbles + bit plane'),
  row('Q6_K', 14, 12, [256, 210, 1680], 'int8', '8 rows x 4 columns, 6-bit plane'),
  row('IQ4_NL', 20, 13, [32, 18, 144], 'int16', '8 rows x 2 columns, nibbles by table'),
  row('MXFP4', 39, 14, [32, 17, 136], 'int8', '8 rows x 4 columns, nibble plane by table'),
  row('Q4_0_4_4', 31, 15, [32, 18, 144], 'int8', NIBBLE_PLANE, 4),
  row('Q4_0_4_8', 32, 16, [32, 18, 144], 'int8', NIBBLE_PLANE, 4),
  row('Q4_0_8_8', 33, 17, [32, 18, 144], 'int8', NIBBLE_PLANE, 8),
  row('I8', 24, 18, [32, 32, 256], 'static', '8 rows x 2 columns, bytes'),
  row('IQ4_XS', 23, 19, [256, 136, 1104], 'int16', '8 rows x 2 columns, nibbles by table'),
];

/** Formats in other layouts than their default one, the row of FORMATS: the same results, at another speed. */
export const OTHER_LAYOUTS: readonly WeightFormat[] = [
  row('Q4_0', 2, 40, [32, 18, 144], 'int8', 'row after row'),
  row('Q4_0', 2, 41, [32, 18, 144], 'int8', '4 rows x 4 bytes'),
  row('Q4_0', 2, 42, [32, 18, 144], 'int8', '4 rows x 8 bytes'),
  row('Q4_0', 2, 43, [32, 18, 144], 'int8', '8 rows x 8 bytes'),
];

/** All names of layouts. */
export const LAYOUTS: readonly string[] = [
  ...new Set([...FORMATS, ...OTHER_LAYOUTS].map(({ layout }) => layout)),
];

const BY_TYPE = new Map(FORMATS.map((format) => [format.type, format]));
const Q4_0 = BY_TYPE.get(2)!;
/** Whole numbers, whose scales are in tensors of their own. */
export const I8 = BY_TYPE.get(24)!;

/** The format of a tensor of this GGUF type and so many rows, or undefined where the engine has none. */
export function formatOf(type: number, rows: number): WeightFormat | undefined {
  const format = BY_TYPE.get(type);
  return format?.interleave && rows % format.interleave !== 0 ? Q4_0 : format;
}

/** A format in each of its layouts, the default one first. */
export function layoutsOf(format: WeightFormat): readonly WeightFormat[] {
  return [BY_TYPE.get(format.type)!, ...OTHER_LAYOUTS.filter(({ type }) => type === format.type)];
}

/** A format in another of its layouts, or undefined where it has none of that name. */
export function inLayout(format: WeightFormat, layout: string): WeightFormat | undefined {
  return layoutsOf(format).find((each) => each.layout === layout);
}

/** The layout of a format of signed bytes where the kernels' dot takes these whole: signedDot in assembly/isa.ts. */
export interface SignedLayout extends Pick<WeightFormat, 'layout' | 'layoutText'> {
  /** The least activation that the dot must be right for. */
  leastActivation: number;
}

/** Undefined for formats whose bytes are not signed. */
export function signedLayout({ form, layoutText }: WeightFormat): SignedLayout | undefined {
  if (form !== 'int16' && form !== 'static') return undefined;
  const text = layoutText.replace('8 rows x 2 columns', '8 rows x 4 columns');
  return { layout: layoutName(text), layoutText: text, leastActivation: form === 'static' ? -128 : -127 };
}

/** Bytes of one row in the file. */
export function fileRowBytes(format: WeightFormat, columns: number): number {
  return (columns / format.blockColumns) * format.blockBytes;
}

/** Bytes of a group of 8 rows at run time. */
export function groupBytes(format: WeightFormat, columns: number): number {
  return (columns / format.blockColumns) * format.groupBlockBytes;
}

/** What the kernels call the number of blocks or columns in a row. */
export function units(format: WeightFormat, columns: number): number {
  return columns / format.unitColumns;
}

/** Bytes of one row of activations in a form. */
export function activationBytes(form: ActivationForm, columns: number): number {
  return form === 'f32' ? columns * 4 : (columns / 32) * (form === 'int8' ? 48 : 80);
}
