/** The course as a learner goes through it: start, wrong and right attempts, bench, report; then the other side. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync, zipSync } from 'fflate';
import { afterAll, describe, expect, test } from 'vitest';
import { runBench } from '../../lab/tool/bench/bench.ts';
import type { BenchResults } from '../../lab/tool/bench/results.ts';
import { checkStage } from '../../lab/tool/check/check.ts';
import { startStage } from '../../lab/tool/course.ts';
import { grade, toCsv } from '../../lab/tool/grade/grade.ts';
import { GRADED, POINTS } from '../../lab/tool/grade/points.ts';
import { solutionFile, workFile } from '../../lab/tool/paths.ts';
import { changeProgress } from '../../lab/tool/progress.ts';
import { mergedTable, readDevices } from '../../lab/tool/report/merge.ts';
import { questionsOf, writeReport } from '../../lab/tool/report/report.ts';
import { STAGES, stageOf } from '../../lab/tool/stages.ts';
import { run, runJson } from '../cli/run.ts';
import { ATTEMPTS, sourceOf } from './attempts.ts';

const work = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const TINY = fileURLToPath(new URL('../../models/tiny-chat/tiny-chat.Q4_0.gguf', import.meta.url));
const solutionOf = (id: string) => readFileSync(solutionFile(stageOf(id)), 'utf8');

test.each(STAGES.filter(({ given }) => !given))(
  'the exercise of $id begins with a kernel that works',
  async (stage) => {
    await startStage(stage, work);
    const { findings } = await checkStage(stage, { work, threads: 2 });
    // Where work is to be divided, the exercise does not do it yet.
    const expected = stage.workers === 'all' ? [expect.stringMatching(/the work is not divided/)] : [];
    expect(findings.filter(({ ok }) => !ok).map(({ message }) => message)).toEqual(expected);
  },
);

test('every stage has a README with a picture, what to change, what to expect, and questions', () => {
  for (const stage of STAGES) {
    const readme = readFileSync(
      fileURLToPath(new URL(`../../lab/${stage.id}/README.md`, import.meta.url)),
      'utf8',
    );
    expect(readme, stage.id).toMatch(/```\n[^`]*[─▶│═┬┌├·×=]/);
    expect(readme, stage.id).toMatch(/\*\*Expect:\*\*/);
    if (!stage.given) expect(readme, stage.id).toMatch(/\*\*Change:\*\*[\s\S]*\*\*Watch:\*\*/);
    expect(questionsOf(readme), stage.id).toMatch(/\?$/);
  }
});

describe('on the command line', () => {
  const folder = join(work, 'cli');
  mkdirSync(folder);
  const lab = (...args: string[]) => run(['lab', ...args, '--work', folder]);
  const file = workFile(folder, stageOf('01'));

  test('start, a wrong attempt, hints, the right solution', async () => {
    const started = await lab('start', '01');
    expect(started.stdout).toContain('# 01 · Loop unrolling');
    expect(started.stdout).toContain(file);
    expect(started.code).toBe(0);
    const again = await lab('start', '01');
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/there already.*nibble lab reset/);

    writeFileSync(file, sourceOf(ATTEMPTS.find(({ mistake }) => mistake === 'the last block is left out')!));
    const wrong = await lab('check', '01', '--no-speed');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/FAIL.*results/);
    expect(wrong.stdout).toMatch(/the last block of every row is left out/);

    expect((await lab('hint', '01')).stdout).toMatch(/^1 of 3: /);
    expect((await lab('hint', '01')).stdout).toMatch(/^2 of 3: /);

    writeFileSync(file, (await lab('solution', '01')).stdout);
    const right = await lab('check', '01', '--no-speed');
    expect(right.stdout).not.toContain('FAIL');
    expect(right.code).toBe(0);
    const list = await runJson<{ stage: string; state: string }[]>(['lab', 'list', '--work', folder]);
    expect(list.find(({ stage }) => stage === '01-loop-unrolling')!.state).toBe('right');

    expect((await lab('reset', '01')).code).toBe(2);
    expect((await lab('reset', '01', '--yes')).code).toBe(0);
    expect(readFileSync(`${file}.old`, 'utf8')).toBe(solutionOf('01-loop-unrolling'));
  }, 180_000);

  test.each([
    ['02', 'shares overlap by a row', /FAIL.*races[^]*workers 0 and 1 both write row 68/],
    ['03', 'the minimum is missing', /FAIL.*results[^]*the minimum is left out/],
    ['03', 'a load reaches beyond the weights', /FAIL.*ends of buffers[^]*weights end where the memory ends/],
    ['06', 'a loop does not end', /FAIL.*results[^]*a loop that does not end/],
  ])(
    'stage %s: %s',
    async (stage, mistake, told) => {
      const attempt = ATTEMPTS.find((one) => one.stage.startsWith(stage) && one.mistake === mistake)!;
      writeFileSync(workFile(folder, stageOf(stage)), sourceOf(attempt));
      const { code, stdout } = await lab('check', stage, '--no-speed');
      expect(code).toBe(1);
      expect(stdout).toMatch(told);
    },
    180_000,
  );

  test('a right kernel is told how fast it is; stage 09, how far above the engine', async () => {
    writeFileSync(workFile(folder, stageOf('09')), solutionOf('09-beat-nibble'));
    // Whether that is fast enough depends on what else the machine does.
    const { code, stdout } = await lab('check', '09', '--threads', '1');
    expect(code === 0 || code === 1).toBe(true);
    expect(stdout).not.toContain('FAIL');
    expect(stdout).toMatch(/x the reference, .* GOP\/s.*; score against nibble's own: [+-]\d+ %/);
  }, 180_000);

  test('bad usage and missing files', async () => {
    expect((await lab('check', '77')).code).toBe(2);
    const missing = await lab('check', '05');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/run "nibble lab start STAGE" first/);
  });
});

describe('bench, report and grading', () => {
  const folder = join(work, 'course');
  let results: BenchResults;

  test('bench: kernels on small shapes, and the tiny model with one of them', async () => {
    await startStage(stageOf('03'), folder);
    writeFileSync(workFile(folder, stageOf('03')), solutionOf('03-simd'));
    results = await runBench({
      stages: ['00', '03', '07', '08', '09'].map(stageOf),
      work: folder,
      threads: 2,
      solutions: false,
      model: { path: TINY, name: 'tiny-chat' },
      endToEnd: true,
      shapes: [{ name: 'small', rows: 64, columns: 96 }],
      rounds: 2,
      promptTokens: 8,
      generatedTokens: 4,
      repeats: 1,
    });
    expect(results.kernels.map(({ stage, kernel }) => `${stage} ${kernel}`)).toEqual([
      '00-reference solution',
      '03-simd lab',
      '06-dot-product solution',
      '07-all-techniques solution',
      '09-beat-nibble solution',
      '08-prefill-tiling solution',
    ]);
    for (const row of results.kernels) expect(row.gops, row.stage).toBeGreaterThan(0);
    expect(results.kernels.find(({ stage }) => stage === '09-beat-nibble')!.opponentGops).toBeGreaterThan(0);
    expect(results.endToEnd.map(({ stage }) => stage)).toEqual([
      'nibble',
      'solution:00-reference',
      'lab:03-simd',
      'solution:07-all-techniques',
      'solution:08-prefill-tiling',
      'solution:09-beat-nibble',
    ]);
    for (const row of results.endToEnd) {
      expect(row.decodeTokensPerSecond, row.stage).toBeGreaterThan(0);
      expect(row.linearShare, row.stage).toBeGreaterThan(0);
      expect(row.linearShare, row.stage).toBeLessThan(1);
    }
    await changeProgress(folder, (progress) => {
      progress.bench = results;
    });
  }, 180_000);

  test('report: code, checks, tables, drawings, questions, and a bundle', async () => {
    const report = await checkStage(stageOf('03'), { work: folder, threads: 2 });
    await changeProgress(folder, ({ checks }) => {
      checks['03-simd'] = { ...report, at: '2026-01-01T00:00:00Z' };
    });
    const to = join(folder, 'report');
    const { files } = await writeReport(folder, to, { bundle: true });
    expect(files.length).toBe(6);
    const markdown = readFileSync(join(to, 'report.md'), 'utf8');
    expect(markdown).toContain('| 03-simd | right |');
    expect(markdown).toContain('+    const pairs = v128.load(w + NIBBLES);');
    expect(markdown).toContain('Questions: Count the instructions per block');
    const html = readFileSync(join(to, 'report.html'), 'utf8');
    expect(html.match(/<svg/g)).toHaveLength(3);
    expect(html).toContain('v128.load(w + NIBBLES)');
    const names = Object.keys(unzipSync(readFileSync(join(to, 'report.zip'))));
    expect(names).toContain('work/03-simd.ts');
    expect(names).toContain('results.json');
  });

  test('grade: only kernels are taken, compiled here, and run under a limit', async () => {
    const text = (source: string) => new TextEncoder().encode(source);
    const hostile = zipSync({
      'work/03-simd.ts': text(solutionOf('03-simd')),
      'work/01-loop-unrolling.ts': text(
        sourceOf(ATTEMPTS.find(({ mistake }) => mistake === 'a loop does not end')!),
      ),
      'work/05-memory-layout.ts': text(
        `import { x } from '../../secret';\n${solutionOf('05-memory-layout')}`,
      ),
      'work/06-dot-product.ts': text(
        `// @ts-ignore: decorator\n@external('env', 'now') declare function now(): f64;\n${solutionOf('06-dot-product').replace('const x = activations', 'now(); const x = activations')}`,
      ),
      'asconfig.json': text('{ "options": { "transform": ["./evil.js"] } }'),
      'evil.js': text('throw new Error("this must not run")'),
      'package.json': text('{ "scripts": { "preinstall": "exit 1" } }'),
      '../work/07-all-techniques.ts': text(solutionOf('07-all-techniques')),
    });
    const path = join(folder, '=handin.zip');
    writeFileSync(path, hostile);
    const shape = { rows: 64, columns: 96, tokens: 1 };
    const grades = await grade([path], { threads: 2, speed: { shape, rounds: 2 }, limit: 1500 });
    expect(grades).toHaveLength(GRADED.length);
    const of = (stage: string) => grades.find((one) => one.stage === stage)!;
    expect(of('03-simd')).toMatchObject({ state: 'right' });
    expect(of('03-simd').points).toBeGreaterThanOrEqual(POINTS.right);
    expect(of('01-loop-unrolling')).toMatchObject({ state: 'wrong', points: 0 });
    expect(of('05-memory-layout').message).toMatch(/may import only files of lab\/kit/);
    expect(of('06-dot-product').message).toMatch(/imports env\.now/);
    expect(of('07-all-techniques').state).toBe('missing');
    const csv = toCsv(grades);
    // A name that a spreadsheet would take for a formula stays text.
    expect(csv).toContain("'=handin,03-simd,right,");
    expect(csv).toContain("'=handin,total,");
  });

  test('merge: one table for two machines', async () => {
    const other = { ...results, machine: { ...results.machine, cpu: 'Cortex-A76' } };
    writeFileSync(join(folder, 'here.json'), JSON.stringify(results));
    writeFileSync(join(folder, 'pi5.json'), JSON.stringify(other));
    const files = ['here.json', 'pi5.json'].map((name) => join(folder, name));
    const devices = (await Promise.all(files.map(readDevices))).flat();
    const { columns, rows } = mergedTable(devices);
    expect(columns).toContain('pi5 (Cortex-A76)');
    expect(rows).toHaveLength(6);
    expect(rows.every((row) => row.slice(2).every((cell) => /GOP\/s(, 2 workers)?$/.test(cell)))).toBe(true);
    writeFileSync(join(folder, 'bad.json'), '{}');
    await expect(readDevices(join(folder, 'bad.json'))).rejects.toThrow(/no results of a bench/);
  });
});
