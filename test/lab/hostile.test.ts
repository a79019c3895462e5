/** What hostile hand-ins try: it must fail, quickly and with a message, and never take the grader with it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, describe, expect, test } from 'vitest';
import { checkStage } from '../../lab/tool/check/check.ts';
import { readOutline } from '../../lab/tool/compile/outline.ts';
import { readHandin } from '../../lab/tool/grade/bundle.ts';
import { grade, toCsv } from '../../lab/tool/grade/grade.ts';
import { solutionFile, workFile } from '../../lab/tool/paths.ts';
import { stageOf } from '../../lab/tool/stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const stage = stageOf('03');
const solution = readFileSync(solutionFile(stage), 'utf8');

/** The solution with something at the beginning of `linear`. */
const begins = (line: string) => solution.replace('): void {\n', `): void {\n${line}\n`);
/** Where speed is measured; no other check uses 72 rows. */
const SHAPE = { rows: 72, columns: 96, tokens: 1 };

describe('kernels', () => {
  test.each<[name: string, source: string, fails: string, message: RegExp]>([
    [
      'that run when they are loaded',
      `${solution}\nlet n = 0;\nwhile (true) n++;\n`,
      'compiles',
      /runs code outside of functions/,
    ],
    [
      'that wait for ever',
      begins('atomic.wait<i32>(counter, load<i32>(counter), -1);'),
      'results',
      /did not return/,
    ],
    [
      'with large constants',
      begins('store<u8>(BIG, 1);').replace(
        'export function',
        'const BIG: usize = memory.data(5000000);\nexport function',
      ),
      'compiles',
      /pages/,
    ],
    ['that do nothing when they are timed', begins('if (rows == 72) return;'), 'speed', /results are wrong/],
    [
      'that trap when they are timed',
      begins('if (rows == 72) store<i32>(-16, 1);'),
      'speed',
      /out of bounds/,
    ],
    [
      'that never end when they are timed',
      begins('while (rows == 72) if (load<i32>(counter) == 12345) break;'),
      'speed',
      /did not return/,
    ],
    ['of no text', '\0\x01\xff', 'compiles', /Invalid character/],
  ])('%s', async (name, source, fails, message) => {
    writeFileSync(workFile(folder, stage), source);
    // A busy machine must not be taken for an endless loop.
    const limit = /for ever|never end/.test(name) ? 3000 : 50_000;
    const speed = { shape: SHAPE, rounds: 3, limit };
    const { findings, correct } = await checkStage(stage, { work: folder, threads: 1, speed, limit });
    expect(correct).toBe(false);
    const failed = findings.filter(({ ok }) => !ok);
    expect(failed.map(({ name }) => name)).toEqual([fails]);
    expect(failed[0]!.message).toMatch(message);
  });

  test('are read without being run: parameters, pages, start', () => {
    // (module (type (func (param i32 f32))) (import "env" "memory" (memory 3 5)) (func) (export "f" (func 0)) (start 0))
    const bytes = [
      ...[0, 97, 115, 109, 1, 0, 0, 0],
      ...[1, 6, 1, 0x60, 2, 0x7f, 0x7d, 0],
      ...[2, 16, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 1, 3, 5],
      ...[3, 2, 1, 0],
      ...[7, 5, 1, 1, 102, 0, 0],
      ...[8, 1, 0],
    ];
    const outline = readOutline(Uint8Array.from(bytes));
    expect(outline).toEqual({ start: true, pages: 3, parameters: new Map([['f', 2]]) });
    expect(() => readOutline(Uint8Array.from(bytes.slice(0, -1)))).toThrow(RangeError);
  });
});

describe('bundles', () => {
  const text = (source: string) => new TextEncoder().encode(source);
  const write = (name: string, bytes: Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  test('larger inside than they say', async () => {
    const zip = Buffer.from(zipSync({ 'work/03-simd.ts': new Uint8Array(8 * 2 ** 20) }));
    const refused = await readHandin(write('large.zip', zip));
    expect([...refused.refused]).toEqual([['03-simd', expect.stringMatching(/larger than 1 MiB/)]]);
    // The directory at the end of the file says how large an entry is: 100 bytes.
    zip.writeUInt32LE(100, zip.lastIndexOf('PK\x01\x02') + 24);
    const { kernels } = await readHandin(write('lying.zip', zip));
    expect(kernels.get('03-simd')?.length ?? 0).toBeLessThanOrEqual(100);
  });

  test('with one name many times are unpacked once', async () => {
    const zip = Buffer.from(zipSync({ 'work/03-simd.ts': text('first'), 'work/04-simd.ts': text('again') }));
    const same = Buffer.from(zip.toString('latin1').replaceAll('04-simd', '03-simd'), 'latin1');
    const { kernels } = await readHandin(write('twice.zip', same));
    expect([...kernels]).toEqual([['03-simd', 'first']]);
  });

  test.skipIf(process.platform === 'win32')('with links show nothing of where they point', async () => {
    const other = join(folder, 'other');
    mkdirSync(join(other, 'work'), { recursive: true });
    writeFileSync(join(other, 'work', '03-simd.ts'), solution);
    writeFileSync(join(other, 'report.zip'), zipSync({ 'work/03-simd.ts': text(solution) }));
    const thief = join(folder, 'thief');
    mkdirSync(thief);
    symlinkSync(join(other, 'work'), join(thief, 'work'));
    symlinkSync(join(other, 'report.zip'), join(thief, 'report.zip'));
    expect((await readHandin(thief)).kernels.size).toBe(0);
    symlinkSync(join(other, 'work', '03-simd.ts'), join(thief, '03-simd.ts'));
    const { kernels, refused } = await readHandin(thief);
    expect(kernels.size).toBe(0);
    expect(refused.get('03-simd')).toMatch(/a link/);
  });

  test('that cannot be read do not keep others from being graded', async () => {
    const good = write('good.zip', zipSync({ 'work/03-simd.ts': text(solution) }));
    const paths = [write('broken.zip', text('PK no zip')), join(folder, 'absent.zip'), good];
    const grades = await grade(paths, { threads: 1, speed: { shape: SHAPE, rounds: 2 } });
    const of = (name: string) => grades.find((one) => one.name === name && one.stage === '03-simd')!;
    expect(of('broken')).toMatchObject({ state: 'unreadable', points: 0 });
    expect(of('broken').message).toMatch(/no zip file/);
    expect(of('absent').message).toMatch(/neither a folder nor a bundle/);
    expect(of('good')).toMatchObject({ state: 'right' });
    expect(toCsv(grades).split('\r\n')[0]).toBe(
      'name,stage,state,ratio,solution,verdict,score,points,message',
    );
  });
});
