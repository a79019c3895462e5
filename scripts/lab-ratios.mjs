/**
 * Records what docs/lab.md says one can expect: the speed-up of the course's kernels on this machine, and what they cost
 * emulated ARM cores. With --update it writes lab/recorded.json and the tables of docs/lab.md; without, only the screen.
 * Needs a build, and for ARM what tools/arm/README.md says. Four minutes on an idle machine with two cores.
 *
 * usage: node scripts/lab-ratios.mjs [--update] [--only measured|arm]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NOISE, describeMachine, watchOthers } from '../bench/machine.mjs';

const built = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const RECORD = at('lab/recorded.json');
const PARTS = ['measured', 'arm'];
/** Of each kernel, in turn: more than a check does, since these figures stay. */
const ROUNDS = 40;
/** Milliseconds: these kernels come to an end, also on a busy machine. */
const LIMIT = 120_000;

const { values } = parseArgs({ options: { update: { type: 'boolean' }, only: { type: 'string' } } });
if (values.only !== undefined && !PARTS.includes(values.only)) {
  console.error(`lab-ratios: --only ${values.only}: it must be ${PARTS.join(' or ')}`);
  process.exit(2);
}
const wanted = values.only === undefined ? PARTS : [values.only];

const { STAGES } = await built('lab/tool/stages.js');
const work = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
try {
  const record = existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, 'utf8')) : {};
  if (wanted.includes('measured')) record.measured = await measure();
  if (wanted.includes('arm')) record.arm = await countOnArm();
  if (values.update) {
    writeFileSync(RECORD, `${JSON.stringify(record, undefined, 2)}\n`);
    execFileSync('npx', ['prettier', '--write', '--log-level', 'warn', RECORD], { cwd: at('.') });
    execFileSync(process.execPath, [at('scripts/readme.mjs')], { stdio: 'inherit' });
    console.error('wrote lab/recorded.json and the tables of docs/lab.md');
  } else {
    console.log(JSON.stringify(record, undefined, 2));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Ratios to the reference of the same run, as `nibble lab check` finds them. */
async function measure() {
  const { checkStage } = await built('lab/tool/check/check.js');
  const { solutionFile } = await built('lab/tool/paths.js');
  const { defaultThreads } = await built('src/platform/node/cpu.js');
  const others = watchOthers();
  const rows = [];
  for (const stage of STAGES.filter(({ given }) => !given)) {
    const { findings, speed } = await checkStage(stage, {
      ...{ work, file: solutionFile(stage), threads: defaultThreads(), limit: LIMIT },
      speed: { rounds: ROUNDS, limit: LIMIT },
    });
    const wrong = findings.find(({ ok }) => !ok);
    if (wrong) throw new Error(`the course's kernel of ${stage.id}: ${wrong.message}`);
    const { solution, ratio, threads, score } = speed;
    // The same kernel twice, in turn: the better of both was disturbed less.
    rows.push({ stage: stage.id, workers: threads, ratio: round(Math.max(solution, ratio), 2), score });
    console.error(`${stage.id}: ${rows.at(-1).ratio} x`);
  }
  const share = others(0);
  if (share > NOISE)
    console.error(`others used ${(100 * share).toFixed(0)} % of this machine: figures are noisy`);
  return { at: today(), machine: describeMachine(), others: round(share, 2), rows };
}

async function countOnArm() {
  const { benchArm } = await built('lab/tool/arm/bench.js');
  const path = at('models/tiny-chat/tiny-chat.Q4_0.gguf');
  const { node, ghz, shape, kernels, divisions, tokens } = await benchArm({
    stages: STAGES,
    work,
    solutions: true,
    model: { path, name: 'tiny-chat' },
    // Neoverse-N1 executes what Cortex-A76 does.
    cores: ['cortex-a76', 'cortex-a72'],
    onStep: (line) => console.error(line),
  });
  const worst = Math.max(...divisions.map(({ balance }) => balance));
  return {
    at: today(),
    node,
    ghz,
    shape,
    balance: round(worst, 3),
    kernels: kernels.map(({ stage, cpu, per32Weights, multiplies, predicted }) => ({
      ...{ stage, cpu, per32Weights: round(per32Weights, 2), multiplies },
      gops: predicted && round(predicted.gops, 2),
    })),
    tokens: tokens.map(({ stage, cpu, model, prefill, decode }) => ({
      ...{ stage: stage.split(':').at(-1), cpu, model },
      ...{ prefill: round(prefill, 2), decode: round(decode, 2) },
    })),
  };
}

function today() {
  return new Date().toISOString().slice(0, 10);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
