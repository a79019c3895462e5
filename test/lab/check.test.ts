/** Right kernels pass, wrong ones are caught, each with a message that tells what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkStage } from '../../lab/tool/check/check.ts';
import { solutionFile, workFile } from '../../lab/tool/paths.ts';
import { STAGES, stageOf } from '../../lab/tool/stages.ts';
import { ATTEMPTS, MISHAPS, mishapOf, sourceOf } from './attempts.ts';

/** For kernels that come to an end: a busy machine must not be taken for an endless loop. */
const PATIENT_MS = 50_000;

const work = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

test.each(STAGES)('the solution of $id is right', async (stage) => {
  const report = await checkStage(stage, { work, file: solutionFile(stage), threads: 2, limit: PATIENT_MS });
  expect(report.findings.filter(({ ok }) => !ok)).toEqual([]);
  expect(report.correct).toBe(true);
});

test.each(ATTEMPTS)('$stage: $mistake', async (attempt) => {
  const stage = stageOf(attempt.stage);
  writeFileSync(workFile(work, stage), sourceOf(attempt));
  const limit = attempt.mistake === 'a loop does not end' ? 1500 : PATIENT_MS;
  const report = await checkStage(stage, { work, threads: 2, limit });
  expect(report.correct).toBe(false);
  const failed = report.findings.filter(({ ok }) => !ok);
  expect(failed.map(({ name }) => name)).toEqual([attempt.fails]);
  expect(failed[0]!.message).toMatch(attempt.message);
});

const mishaps = STAGES.filter(({ given }) => !given).flatMap((stage) =>
  MISHAPS.filter(({ divided }) => !divided || stage.workers === 'all').map((mishap) => ({
    ...{ stage, mishap, name: stage.id, mistake: mishap.mistake },
  })),
);

test.each(mishaps)('$name: $mistake', async ({ stage, mishap }) => {
  writeFileSync(workFile(work, stage), mishapOf(stage.id, mishap));
  const { findings } = await checkStage(stage, { work, threads: 2, limit: PATIENT_MS });
  const failed = findings.filter(({ ok }) => !ok);
  expect(failed.map(({ name }) => name)).toEqual([mishap.fails]);
  expect(failed[0]!.message).toMatch(mishap.message);
});

test('speed is judged by ratios of one run, and a slow kernel does not pass', async () => {
  const shape = { rows: 64, columns: 1024, tokens: 1 };
  const simd = stageOf('03-simd');
  const own = await checkStage(simd, {
    work,
    file: solutionFile(simd),
    threads: 2,
    limit: PATIENT_MS,
    speed: { shape, rounds: 8 },
  });
  expect(own.speed!.ratio).toBeGreaterThan(0);
  expect(own.speed!.solution).toBeGreaterThan(0);
  const slow = { ...simd, id: '03-simd' };
  const reference = await checkStage(slow, {
    work,
    file: solutionFile(stageOf('00-reference')),
    threads: 2,
    limit: PATIENT_MS,
    speed: { shape, rounds: 8 },
  });
  // The reference is no faster than itself: the line lies at half of what SIMD gains.
  expect(reference.correct).toBe(true);
  expect(reference.speed!.pass).toBeCloseTo(1 + 0.5 * (reference.speed!.solution - 1), 10);
});
