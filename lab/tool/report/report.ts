/** What a course collects: a learner's code, checks, measurements, and the questions to answer. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { zipSync } from 'fflate';
import { renderSvg } from '../../../tools/charts/svg.ts';
import { armKernelTable, armTokenTable, divisionTable } from '../arm/tables.ts';
import type { ArmResults } from '../arm/results.ts';
import { benchCharts } from '../bench/charts.ts';
import { scoreText } from '../bench/score.ts';
import type { BenchResults } from '../bench/results.ts';
import { exerciseFile, readmeFile, workFile } from '../paths.ts';
import { progressFile, readProgress, type Progress } from '../progress.ts';
import { STAGES, type Stage } from '../stages.ts';
import { toHtml, toMarkdown, type Block } from './blocks.ts';
import { endToEndTable, kernelTable } from './tables.ts';

export interface Written {
  /** The files, report.html and report.md first. */
  files: string[];
}

/** Writes report.md, report.html and the drawings into `to`; with `bundle`, also report.zip with all that is handed in. */
export async function writeReport(work: string, to: string, { bundle = false } = {}): Promise<Written> {
  const progress = await readProgress(work);
  const started = STAGES.filter((stage) => !stage.given && existsSync(workFile(work, stage)));
  const blocks = [
    ...overview(started, progress),
    ...(progress.bench ? await measurements(progress.bench) : []),
    ...(progress.arm ? countsOnArm(progress.arm) : []),
    ...(await Promise.all(started.map((stage) => stageBlocks(stage, work, progress)))).flat(),
  ];
  const contents = new Map<string, string>([
    ['report.html', toHtml(blocks)],
    ['report.md', toMarkdown(blocks)],
  ]);
  for (const block of blocks) if (block.kind === 'image') contents.set(block.file, block.svg);
  await mkdir(to, { recursive: true });
  for (const [name, text] of contents) await writeFile(join(to, name), text);
  const files = [...contents.keys()].map((name) => join(to, name));
  if (!bundle) return { files };
  const zipped = new Map(contents);
  for (const stage of started)
    zipped.set(`work/${stage.id}.ts`, await readFile(workFile(work, stage), 'utf8'));
  if (existsSync(progressFile(work))) zipped.set('results.json', await readFile(progressFile(work), 'utf8'));
  const encoder = new TextEncoder();
  const archive = zipSync(
    Object.fromEntries([...zipped].map(([name, text]) => [name, encoder.encode(text)])),
  );
  await writeFile(join(to, 'report.zip'), archive);
  return { files: [...files, join(to, 'report.zip')] };
}

function overview(started: readonly Stage[], { checks, bench }: Progress): Block[] {
  const rows = started.map((stage) => {
    const check = checks[stage.id];
    if (!check) return [stage.id, 'not checked', '', '', ''];
    const { speed } = check;
    const x = (ratio?: number) => (ratio === undefined ? '' : `${ratio.toFixed(2)} x`);
    return [
      stage.id,
      check.correct ? 'right' : 'wrong',
      `${x(speed?.ratio)}${speed?.score === undefined ? '' : ` (nibble ${scoreText(speed.score)})`}`,
      x(speed?.solution),
      speed?.verdict ?? '',
    ];
  });
  const blocks: Block[] = [
    { kind: 'title', text: "Report on nibble's lab" },
    { kind: 'heading', text: 'Checks' },
    { kind: 'table', columns: ['stage', 'results', 'speed', "course's kernel", 'verdict'], rows },
  ];
  if (!bench) return blocks;
  const { machine, limits } = bench;
  return [
    ...blocks,
    { kind: 'heading', text: 'Machine' },
    {
      kind: 'list',
      items: [
        `${machine.cpu}, ${machine.cores} cores, ${machine.arch}, ${machine.platform}`,
        `Node ${machine.node}, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB of memory`,
        `one worker: ${limits.one.gbs.toFixed(1)} GB/s, ${(2 * limits.one.gmacs).toFixed(0)} GOP/s; all: ${limits.all.gbs.toFixed(1)} GB/s, ${(2 * limits.all.gmacs).toFixed(0)} GOP/s`,
        `measured ${bench.at}`,
      ],
    },
  ];
}

async function measurements(bench: BenchResults): Promise<Block[]> {
  const images: Block[] = [];
  for (const [name, spec] of Object.entries(benchCharts(bench))) {
    images.push({ kind: 'image', file: `${name}.svg`, alt: String(spec.title), svg: await renderSvg(spec) });
  }
  const blocks: Block[] = [];
  if (bench.kernels.length > 0) {
    blocks.push(
      { kind: 'heading', text: 'Kernels' },
      { kind: 'table', ...kernelTable(bench.kernels, bench.limits) },
    );
  }
  if (bench.endToEnd.length > 0) {
    blocks.push(
      { kind: 'heading', text: 'End to end' },
      { kind: 'table', ...endToEndTable(bench.endToEnd) },
      {
        kind: 'text',
        text: "linear: the share of decoding's time in the 4-bit linear layers; at most: how much faster the model would be if they took no time (Amdahl's law).",
      },
    );
  }
  return [...blocks, ...images];
}

function countsOnArm(arm: ArmResults): Block[] {
  const tables = [
    armKernelTable(arm),
    ...(arm.divisions.length > 0 ? [divisionTable(arm.divisions)] : []),
    ...(arm.tokens.length > 0 ? [armTokenTable(arm.tokens)] : []),
  ];
  return [
    { kind: 'heading', text: 'On emulated ARM' },
    {
      kind: 'text',
      text: `Instructions are counted on V8's code of Node ${arm.node}; cycles are PREDICTED by llvm-mca for data in the first-level cache. No time was measured.`,
    },
    ...tables.map((table): Block => ({ kind: 'table', ...table })),
  ];
}

async function stageBlocks(stage: Stage, work: string, { checks, hints }: Progress): Promise<Block[]> {
  const [before, after, readme] = await Promise.all(
    [exerciseFile(stage), workFile(work, stage), readmeFile(stage)].map((file) => readFile(file, 'utf8')),
  );
  const failed = checks[stage.id]?.findings.filter(({ ok }) => !ok) ?? [];
  const patch = createTwoFilesPatch('exercise', 'yours', before!, after!, '', '', { context: 3 });
  return [
    { kind: 'heading', text: `${stage.id}: ${stage.title}` },
    ...(failed.length > 0
      ? [{ kind: 'list' as const, items: failed.map(({ name, message }) => `${name}: ${message ?? ''}`) }]
      : []),
    { kind: 'text', text: `Hints taken: ${hints[stage.id] ?? 0}` },
    { kind: 'code', language: 'diff', text: patch },
    { kind: 'text', text: questionsOf(readme!) },
  ];
}

/** The questions at the end of a stage's README. */
export function questionsOf(readme: string): string {
  return /^Questions?: [\s\S]*$/m.exec(readme)?.[0].trim().replace(/\s+/g, ' ') ?? '';
}
