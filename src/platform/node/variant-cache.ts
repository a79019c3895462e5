/** The race's verdicts, kept in a JSON file of nibble's cache folder. Losing it costs another race: no error. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VARIANTS, type Variant, type VariantResult } from '../../kernels/race.ts';
import { homeCandidates, writableHome } from './paths.ts';

const FILE = 'kernel-variants.json';
const VERSION = 1;
/** CPU and Node versions that one home folder (shared over a network, say) remembers. */
const MOST = 32;

export interface Verdict {
  variant: Variant;
  results: VariantResult[];
  /** V8's flag of that name makes the variant faster, and it still computes what it should. */
  revectorize?: boolean;
  /** For people who read the file. */
  about: string;
}

type Entries = Record<string, Verdict>;

/** The verdict of this key, from the first folder that has one. */
export async function readVerdict(key: string, cacheDir?: string): Promise<Verdict | undefined> {
  for (const { path } of homeCandidates(cacheDir)) {
    const verdict = (await readEntries(join(path, FILE)))[key];
    if (verdict) return verdict;
  }
  return undefined;
}

/** False where nothing can be written. */
export async function writeVerdict(key: string, verdict: Verdict, cacheDir?: string): Promise<boolean> {
  let temporary: string | undefined;
  try {
    const file = join((await writableHome(cacheDir)).path, FILE);
    const others = Object.entries(await readEntries(file)).filter(([other]) => other !== key);
    const entries = Object.fromEntries([...others.slice(1 - MOST), [key, verdict]]);
    temporary = `${file}.${randomUUID()}`;
    await writeFile(temporary, `${JSON.stringify({ version: VERSION, entries }, null, 2)}\n`);
    await rename(temporary, file); // whole or not at all
    return true;
  } catch {
    if (temporary) await rm(temporary, { force: true }).catch(() => undefined);
    return false;
  }
}

async function readEntries(file: string): Promise<Entries> {
  try {
    const content = JSON.parse(await readFile(file, 'utf8')) as { version?: unknown; entries?: unknown };
    if (content.version !== VERSION) return {};
    return Object.fromEntries(Object.entries(content.entries ?? {}).filter(([, entry]) => isVerdict(entry)));
  } catch {
    return {};
  }
}

/** The file may have been edited, or written by a later nibble. */
function isVerdict(value: unknown): value is Verdict {
  const { variant, results, revectorize } = (value ?? {}) as Partial<Verdict>;
  if (revectorize !== undefined && typeof revectorize !== 'boolean') return false;
  if (!Array.isArray(results) || !results.every(isResult)) return false;
  return results.some((result) => result.variant === variant && result.ok);
}

function isResult(value: unknown): value is VariantResult {
  const { variant, ok, gmacs } = (value ?? {}) as Partial<VariantResult>;
  if (!VARIANTS.includes(variant as Variant) || typeof ok !== 'boolean') return false;
  return gmacs === undefined || (typeof gmacs?.gemv === 'number' && typeof gmacs.gemm === 'number');
}
