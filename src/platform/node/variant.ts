/** Which kernel variant to use here, and its compiled module. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { KernelVariant } from '../../engine/types.ts';
import { ModelError, UsageError } from '../../errors.ts';
import { hasRelaxedSimd, requireSimd } from '../../kernels/features.ts';
import {
  Contestant,
  VARIANTS,
  fault,
  preference,
  score,
  winner,
  type VariantResult,
} from '../../kernels/race.ts';
import { cpuFlags, cpuModel } from './cpu.ts';
import { PACKAGE_ROOT } from './package-root.ts';
import { NoChildError, compilerFlags, runRace } from './run-race.ts';
import { REVECTORIZE, knowsRevectorize } from './v8-flags.ts';
import { readVerdict, writeVerdict, type Verdict } from './variant-cache.ts';

export { setRevectorize, setV8Flags } from './v8-flags.ts';
export type { VariantResult } from '../../kernels/race.ts';

const KERNELS = new URL('dist/kernels/', PACKAGE_ROOT);

export interface VariantOptions {
  /** Use this one; also by NIBBLE_VARIANT, which yields to the option. */
  pinned?: KernelVariant;
  /** Folder for the verdict; default: nibble's cache folder. */
  cacheDir?: string;
  /** Folder of the modules, with a slash at the end. */
  kernelsDir?: URL;
  /** For tests: a script in the place of race-child.js, and its time limit in milliseconds. */
  child?: URL;
  timeLimit?: number;
}

export interface VariantChoice {
  variant: KernelVariant;
  /** `fallback`: nothing could be measured; `results` says what was checked, `reason` why. */
  source: 'pinned' | 'env' | 'cache' | 'race' | 'fallback';
  /** What is known of the variants; not all of them when one was pinned. */
  results: VariantResult[];
  /** Set V8's flag before compiling: it was checked, and it pays. */
  revectorize?: boolean;
  reason?: string;
  /** After a race: milliseconds in the child, and with starting it. */
  raceMs?: number;
  totalMs?: number;
}

/** Verdicts that could not be written, for the next model of this process. */
const unwritten = new Map<string, Verdict>();
/** Two races at once would only disturb each other. */
const running = new Map<string, Promise<VariantChoice>>();

/** The pinned variant, the one remembered for this machine, or the winner of a race that is held now. */
export async function chooseVariant(options: VariantOptions = {}): Promise<VariantChoice> {
  requireSimd();
  const { pinned, kernelsDir = KERNELS, cacheDir } = options;
  if (pinned !== undefined) return pin(pinned, 'pinned', options);
  const env = process.env['NIBBLE_VARIANT'];
  if (env) return pin(env, 'env', options);
  if (!hasRelaxedSimd()) return onlyPlain();

  const key = await cacheKey(kernelsDir);
  const place = JSON.stringify([key, cacheDir, options.child?.href]);
  const known = unwritten.get(place) ?? (await readVerdict(key, cacheDir));
  if (known) {
    const { variant, results, revectorize } = known;
    return { variant, source: 'cache', results, revectorize };
  }
  let choice = running.get(place);
  if (!choice) {
    choice = measure(key, place, kernelsDir, options).finally(() => running.delete(place));
    running.set(place, choice);
  }
  return choice;
}

/**
 * What checks in this process have found. A second check could be fooled: a bug of V8's baseline compiler (dot4 on
 * Node 20, x64) no longer shows when the code has been optimized.
 */
const checked = new Map<string, VariantResult[]>();

/** A pinned variant is not raced, but it has to compute what it should. */
async function pin(
  name: string,
  source: 'pinned' | 'env',
  { cacheDir, kernelsDir = KERNELS }: VariantOptions,
): Promise<VariantChoice> {
  const where = source === 'env' ? 'NIBBLE_VARIANT' : 'the option "variant"';
  const variant = VARIANTS.find((known) => known === name);
  if (!variant) throw new UsageError(`${where} is "${name}": it must be one of ${VARIANTS.join(', ')}`);
  if (variant === 'simd') return { variant, source, results: [] };
  if (!hasRelaxedSimd()) {
    throw new ModelError(
      `${where} asks for the kernel variant ${variant}, which needs relaxed SIMD: this JavaScript engine has none, or (Node 20) its flag --experimental-wasm-relaxed-simd is not set`,
      { code: 'ERR_NO_RELAXED_SIMD' },
    );
  }
  const key = await cacheKey(kernelsDir);
  const known = await readVerdict(key, cacheDir);
  const place = `${key} ${variant}`;
  const results = known?.results ?? checked.get(place) ?? (await check(['simd', variant], kernelsDir));
  checked.set(place, results);
  const result = results.find((one) => one.variant === variant);
  const revectorize = known?.variant === variant && known.revectorize;
  if (result?.ok) return { variant, source, results, revectorize };
  throw new ModelError(
    `${where} asks for the kernel variant ${variant}, which does not work with Node ${process.versions.node} on this CPU: ${result?.reason}`,
    { code: 'ERR_VARIANT' },
  );
}

function onlyPlain(): VariantChoice {
  const reason = 'no relaxed SIMD in this JavaScript engine';
  const results = VARIANTS.map((variant) =>
    variant === 'simd' ? { variant, ok: true } : { variant, ok: false, reason },
  );
  return { variant: 'simd', source: 'fallback', results, reason };
}

/** All that decides which variant is fastest and right: the CPU, the compiler and its flags, the kernels. */
async function cacheKey(kernels: URL): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([cpuModel(), cpuFlags(), arch(), process.versions.node, process.versions.v8]));
  hash.update(JSON.stringify(compilerFlags()));
  for (const variant of VARIANTS)
    hash.update(await readFile(new URL(`${variant}.wasm`, kernels)).catch(() => ''));
  return hash.digest('hex').slice(0, 32);
}

async function measure(
  key: string,
  place: string,
  kernels: URL,
  options: VariantOptions,
): Promise<VariantChoice> {
  const { cacheDir, child, timeLimit } = options;
  try {
    const { results, raceMs, totalMs } = await runRace({ kernels, variants: VARIANTS, child, timeLimit });
    const variant = winner(results);
    if (!variant) {
      return { variant: 'simd', source: 'fallback', results, reason: 'no variant passed its check' };
    }
    const about = `${cpuModel()}, Node ${process.versions.node}, ${new Date().toISOString()}`;
    const revectorize = await pays(
      results.find((result) => result.variant === variant)!,
      kernels,
      options,
    );
    const verdict: Verdict = { variant, results, revectorize, about };
    if (!(await writeVerdict(key, verdict, cacheDir))) unwritten.set(place, verdict);
    return { variant, source: 'race', results, revectorize, raceMs, totalMs };
  } catch (error) {
    if (!(error instanceof NoChildError)) throw error;
    return checkHere(kernels, error.message);
  }
}

/** By how much revectorized code must be faster: it is V8's least tried compiler pass. */
const WORTH = 1.05;
/** The second race has one variant to time, beside the plain one that checks it. */
const SECOND_BUDGET_MS = 45;

/** Whether the winner is faster, and still right, when V8 joins its operations to 256 bits. */
async function pays(best: VariantResult, kernels: URL, options: VariantOptions): Promise<boolean> {
  if (!knowsRevectorize() || compilerFlags().some((flag) => flag.includes('revectorize'))) return false;
  const { child, timeLimit } = options;
  const variants = [...new Set<KernelVariant>(['simd', best.variant])];
  const race = { kernels, variants, flags: [REVECTORIZE], budget: SECOND_BUDGET_MS, child, timeLimit };
  const { results } = await runRace(race);
  const again = results.find((result) => result.variant === best.variant);
  return again?.ok === true && score(again) > WORTH * score(best);
}

/** Without a child process: no race, but the variant that the CPU's kind suggests, if it passes its check. */
async function checkHere(kernels: URL, reason: string): Promise<VariantChoice> {
  const results = await check(VARIANTS, kernels);
  const right = results.filter((result) => result.ok).map((result) => result.variant);
  const variant = preference(arch()).find((name) => right.includes(name)) ?? 'simd';
  return { variant, source: 'fallback', results, reason };
}

/** Checks variants in this process; the plain one must be the first. */
async function check(variants: readonly KernelVariant[], kernels: URL): Promise<VariantResult[]> {
  const results: VariantResult[] = [];
  let reference: Float32Array[] | undefined;
  for (const variant of variants) {
    try {
      const outputs = new Contestant(await loadKernelModule(variant, kernels)).check();
      if (variant !== 'simd' && !reference) throw new Error('there is no plain variant to check it against');
      const wrong = fault(outputs, reference);
      if (wrong !== undefined) throw new Error(wrong);
      reference ??= outputs;
      results.push({ variant, ok: true });
    } catch (error) {
      results.push({ variant, ok: false, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return results;
}

/** Compiles a variant's module; V8 does that on threads of its own. */
export async function loadKernelModule(
  variant: KernelVariant,
  kernelsDir: URL = KERNELS,
): Promise<WebAssembly.Module> {
  const file = new URL(`${variant}.wasm`, kernelsDir);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await readFile(file));
  } catch (error) {
    throw new ModelError(`cannot read the kernels ${fileURLToPath(file)}: run "npm run build"`, {
      code: 'ERR_NO_KERNELS',
      cause: error,
    });
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new ModelError(`the kernels ${fileURLToPath(file)} do not compile: ${String(error)}`, {
      code: 'ERR_NO_KERNELS',
      cause: error,
    });
  }
}
