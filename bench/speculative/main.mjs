// @ts-check
/**
 * `npm run bench:speculative`: decoding with and without proposals, in turn, on tasks whose answers copy and one whose
 * answer does not. Fails when an answer changes.
 */
import { fileURLToPath } from 'node:url';
import { findModel } from '../peers/model.mjs';
import { count, FLAG, parse, someOf, TEXT, UsageError } from '../options.mjs';
import { figure, markdown } from '../table.mjs';
import { TASKS } from './tasks.mjs';

const HELP = `usage: npm run bench:speculative -- [options]
Decodes with and without proposals, in turn: by prompt lookup, then by a draft model. Fails when an answer changes.
  --model MODEL   path or name (default smollm2-135m)
  --draft MODEL   drafts for it (default: MODEL itself drafts for its own weights as F32, which nibble quantize makes)
  --only LIST     of lookup, draft and both: prompt lookup, the draft model, both at once (default lookup,draft)
  --rounds N      best of so many (default 3)
  --tokens N      tokens per answer at most (default 160)
  --threads N     (default: one per core)
`;
const CACHE = fileURLToPath(new URL('../../.cache/peers', import.meta.url));

/** @typedef {import('../../src/index.ts').Model} Model */
/** @typedef {import('../../src/index.ts').Timings} Timings */
/** @typedef {import('../../src/index.ts').SpeculationOptions} SpeculationOptions */
/** @typedef {{ name: string, speculation: SpeculationOptions }} Way */

const interrupt = new AbortController();
const { signal } = interrupt;
process.once('SIGINT', () => interrupt.abort());

try {
  await main();
} catch (error) {
  if (signal.aborted) {
    process.exitCode = 130;
  } else {
    process.stderr.write(`bench:speculative: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function main() {
  const values = parse(process.argv.slice(2), {
    ...{ model: TEXT, draft: TEXT, only: TEXT, rounds: TEXT, tokens: TEXT, threads: TEXT, help: FLAG },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const only = someOf('--only', values.only ?? 'lookup,draft', ['lookup', 'draft', 'both']);
  const rounds = count('--rounds', values.rounds ?? '3');
  const tokens = count('--tokens', values.tokens ?? '160');
  const threads = values.threads === undefined ? undefined : count('--threads', values.threads);

  const host = {
    cache: CACHE,
    offline: false,
    signal,
    say: (/** @type {string} */ line) => console.error(line),
  };
  /** @type {typeof import('../../src/index.ts')} */
  const { loadModel } = await import(new URL('../../dist/src/index.js', import.meta.url).href);
  /** @param {import('../peers/model.mjs').ModelChoice} choice */
  const load = async (choice) => {
    const { paths } = await findModel(choice, host);
    return loadModel(paths[0] ?? '', { threads, contextSize: 2048, signal });
  };

  const model = await load({ model: values.model });
  try {
    if (only.includes('lookup')) {
      await compare(model, [{ name: 'lookup', speculation: { lookup: true } }], { rounds, tokens });
    }
    if (!only.includes('draft') && !only.includes('both')) return;
    const other = await load(
      values.draft === undefined ? { model: values.model, quantize: 'F32' } : { model: values.draft },
    );
    try {
      const [target, draft] = values.draft === undefined ? [other, model] : [model, other];
      /** @type {Way[]} */
      const ways = [
        { name: 'draft', speculation: { draft } },
        { name: 'both', speculation: { lookup: true, draft } },
      ];
      const wanted = ways.filter(({ name }) => only.includes(name));
      await compare(target, wanted, { rounds, tokens }, draft);
    } finally {
      await other.dispose();
    }
  } finally {
    await model.dispose();
  }
}

/**
 * Prints a table: each way against plain decoding.
 *
 * @param {Model} model
 * @param {readonly Way[]} ways
 * @param {{ rounds: number, tokens: number }} options
 * @param {Model} [draft] for the title
 */
async function compare(model, ways, { rounds, tokens }, draft) {
  const nameOf = (/** @type {Model} */ { info }) => `${info.name} ${info.fileType}`;
  const drafts = draft ? `, drafts by ${nameOf(draft)}` : '';
  const { threads } = model.info;
  process.stdout.write(
    `${nameOf(model)}${drafts}, ${threads} threads, Node ${process.version}, best of ${rounds}\n\n`,
  );
  /** @type {string[][]} */
  const rows = [];
  for (const { name: task, prompt } of TASKS) {
    let plain = 0;
    let length = 0;
    const best = ways.map(() => 0);
    /** @type {Timings[]} */
    const counts = [];
    for (let round = 0; round < rounds; round++) {
      const { ids, timings } = await answer(model, prompt, tokens, undefined);
      length = ids.length;
      plain = Math.max(plain, timings.decodeTokensPerSecond);
      for (const [i, { name, speculation }] of ways.entries()) {
        const other = await answer(model, prompt, tokens, speculation);
        if (other.ids.join() !== ids.join()) throw new Error(`${task}: with ${name} the answer is another`);
        best[i] = Math.max(best[i] ?? 0, other.timings.decodeTokensPerSecond);
        counts[i] = other.timings;
      }
    }
    for (const [i, { name }] of ways.entries()) {
      const rate = best[i] ?? 0;
      const { draftedTokens = 0, acceptedTokens = 0 } = counts[i] ?? {};
      const share = draftedTokens > 0 ? `${((100 * acceptedTokens) / draftedTokens).toFixed(0)} %` : '-';
      rows.push([
        ...[task, name, String(length), figure(plain), figure(rate), `${(rate / plain).toFixed(2)} x`],
        ...[String(draftedTokens), share],
      ]);
    }
  }
  const head = ['task', 'with', 'tokens', 'plain tok/s', 'tok/s', 'ratio', 'proposed', 'accepted'];
  process.stdout.write(`${markdown(head, rows, [0, 1])}\n`);
}

/**
 * @param {Model} model
 * @param {string} prompt
 * @param {number} maxTokens
 * @param {SpeculationOptions | undefined} speculation
 */
async function answer(model, prompt, maxTokens, speculation) {
  /** @type {number[]} */
  const ids = [];
  /** @type {Timings | undefined} */
  let timings;
  const options = { temperature: 0, maxTokens, speculation, signal };
  const parts = model.chatTemplate
    ? model.chat([{ role: 'user', content: prompt }], options)
    : model.generate(prompt, options);
  for await (const part of parts) {
    ids.push(...part.ids);
    timings = part.done?.timings ?? timings;
  }
  if (!timings) throw new Error('the answer has no end');
  return { ids, timings };
}
