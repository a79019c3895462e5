/**
 * npm run bench:speculative: decoding with and without proposals, in turn, on tasks whose answers copy and one whose
 * answer does not. Fails when an answer changes.
 */
import { parseArgs } from 'node:util';
import { loadModel } from '../../dist/src/index.js';
import { TASKS } from './tasks.mjs';

const HELP = `npm run bench:speculative -- [options]
  --model MODEL   default: smollm2-135m
  --draft MODEL   a draft model, besides prompt lookup
  --rounds N      best of so many, default 3
  --tokens N      tokens per answer at most, default 160
  --threads N`;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    draft: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '160' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
/** @typedef {import('../../dist/src/index.js').Model} Model */
/** @typedef {import('../../dist/src/index.js').Timings} Timings */
/** @typedef {import('../../dist/src/index.js').SpeculationOptions} SpeculationOptions */

const rounds = Number(values.rounds);
const maxTokens = Number(values.tokens);
const load = {
  threads: values.threads === undefined ? undefined : Number(values.threads),
  contextSize: 2048,
};

/**
 * @param {Model} model
 * @param {string} prompt
 * @param {SpeculationOptions | undefined} speculation
 */
async function answer(model, prompt, speculation) {
  /** @type {number[]} */
  const ids = [];
  /** @type {Timings | undefined} */
  let timings;
  const options = { temperature: 0, maxTokens, speculation };
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

const model = await loadModel(values.model, load);
const draft = values.draft === undefined ? undefined : await loadModel(values.draft, load);
/** @type {[string, SpeculationOptions][]} */
const ways = [['lookup', { lookup: true }]];
if (draft) ways.push(['draft', { draft }], ['lookup + draft', { lookup: true, draft }]);

try {
  const { name, fileType, threads } = model.info;
  console.log(`${name} ${fileType}, ${threads} threads, Node ${process.version}, best of ${rounds}\n`);
  console.log('| task | with | tokens | plain tok/s | tok/s | ratio | proposed | accepted |');
  console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const { name, prompt } of TASKS) {
    const best = { plain: 0, ways: ways.map(() => 0) };
    /** @type {Timings[]} */
    const counts = [];
    let tokens = 0;
    for (let round = 0; round < rounds; round++) {
      const plain = await answer(model, prompt, undefined);
      tokens = plain.ids.length;
      best.plain = Math.max(best.plain, plain.timings.decodeTokensPerSecond);
      for (const [i, [label, speculation]] of ways.entries()) {
        const { ids, timings } = await answer(model, prompt, speculation);
        if (ids.join() !== plain.ids.join()) throw new Error(`${name}: with ${label} the answer is another`);
        best.ways[i] = Math.max(best.ways[i] ?? 0, timings.decodeTokensPerSecond);
        counts[i] = timings;
      }
    }
    for (const [i, [label]] of ways.entries()) {
      const rate = best.ways[i] ?? 0;
      const { draftedTokens = 0, acceptedTokens = 0 } = counts[i] ?? {};
      const share = draftedTokens > 0 ? `${((100 * acceptedTokens) / draftedTokens).toFixed(0)} %` : '-';
      const ratio = `${(rate / best.plain).toFixed(2)} x`;
      const cells = [
        name,
        label,
        tokens,
        best.plain.toFixed(1),
        rate.toFixed(1),
        ratio,
        draftedTokens,
        share,
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
} finally {
  await draft?.dispose();
  await model.dispose();
}
