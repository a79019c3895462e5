import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  cpuMs,
  median,
  metricsOf,
  parseOptions,
  peakRss,
  processTree,
  promptIds,
  pss,
  renderTable,
  summarize,
  workload,
} from './modules.ts';
import type { Metric, Sample } from './modules.ts';

const host = { cores: 4, peers: ['node-llama-cpp', 'wllama', 'transformers.js', 'llama-cpp-python'] };
const parse = (line: string) => parseOptions(line.split(' ').filter(Boolean), host);

describe('options', () => {
  it('has defaults', () => {
    expect(parse('')).toMatchObject({
      ...{ threads: [1, 2], rounds: 5, full: false, peers: ['node-llama-cpp', 'wllama'] },
      ...{ prefill: [32, 256, 512], decode: [16, 1024] },
    });
    expect(parseOptions([], { ...host, cores: 1 }).threads).toEqual([1]);
  });

  it('takes lists', () => {
    const options = parse('-t 1,4,4 --rounds 7 --python --random 1.1b:Q4_0 --decode 4096 --prefill 2048');
    expect(options).toMatchObject({
      threads: [1, 4],
      rounds: 7,
      decode: [4096],
      prefill: [2048],
      random: '1.1b:Q4_0',
    });
    expect(options.peers).toEqual(['node-llama-cpp', 'wllama', 'llama-cpp-python']);
    expect(parse('--peers none').peers).toEqual([]);
    expect(parse('--peers none --onnx folder')).toMatchObject({ peers: ['transformers.js'], onnx: 'folder' });
  });

  it.each([
    '-t 0',
    '-t two',
    '--rounds -1',
    '--peers ollama',
    '--full --model a',
    '--full --onnx a',
    '--decode 16,x',
    '--model a --random tiny:Q8_0',
    '--fast',
    'file',
  ])('refuses %s', (line) => expect(() => parse(line)).toThrow());
});

describe('prompts', () => {
  it('are the same for every engine and different in every run', () => {
    expect(promptIds(256, 49152, 1)).toEqual(promptIds(256, 49152, 1));
    expect(promptIds(256, 49152, 1)[0]).not.toBe(promptIds(256, 49152, 2)[0]);
  });

  it('stay inside the vocabulary', () => {
    const ids = promptIds(5000, 512, 3);
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(128);
    expect(Math.max(...ids)).toBeLessThan(384);
  });

  it('fit the context with what is generated', () => {
    for (const [prefill, contexts] of [
      [[256], [16]],
      [[2048], [16]],
      [[32], [4096]],
    ] as const) {
      const plan = workload({ prefill, decode: contexts, timeLimit: 60 });
      const decode = plan.decode as { context: number; tokens: number }[];
      for (const { context, tokens } of decode) expect(context + tokens + 1).toBeLessThan(plan.contextSize);
      expect(Math.max(...plan.prefill)).toBeLessThan(plan.contextSize);
    }
  });
});

describe('report', () => {
  const metrics: Metric[] = [
    { id: 'rate', title: 'decode', unit: 'tok/s', better: 'higher' },
    { id: 'time', title: 'load', unit: 'ms', better: 'lower' },
    { id: 'use', title: 'CPU use', unit: '%', better: 'neither' },
  ];
  const sample = (engine: string, round: number, rate: number, time: number): Sample => ({
    engine,
    threads: 2,
    round,
    result: { values: { rate, time, use: 50 } },
  });
  const samples = [
    ...[150, 120, 130].map((rate, i) => sample('nibble', i, rate, 100 + i)),
    ...[100, 80, 40].map((rate, i) => sample('peer', i, rate, 200 + i)),
  ];

  it('takes the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('compares best with best and median with median', () => {
    const summary = summarize(samples, metrics);
    const row = (engine: string, metric: string) =>
      summary.find((each) => each.engine === engine && each.metric === metric)!;
    expect(row('nibble', 'rate')).toMatchObject({ best: 150, median: 130 });
    expect(row('nibble', 'rate').ratioBest).toBeUndefined();
    expect(row('peer', 'rate')).toMatchObject({ best: 100, median: 80, ratioBest: 1.5, ratioMedian: 1.625 });
    expect(row('peer', 'time')).toMatchObject({ best: 200, median: 201, ratioBest: 0.5 });
    expect(row('peer', 'use').ratioBest).toBeUndefined();
  });

  it('prints an aligned table', () => {
    const lines = renderTable(summarize(samples, metrics), metrics).trimEnd().split('\n');
    expect(lines).toHaveLength(2 + metrics.length);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines[2]).toMatch(/decode +\| tok\/s ↑ \| +150 \/ 130 \| +100 \/ 80\.0 \| 1\.50 \/ 1\.63 \|/);
    expect(lines[4]).toMatch(/50\.0 \| +50\.0 \| +- \|/);
  });

  it('has a place for an engine that failed on some thread count', () => {
    const one: Sample = { ...sample('nibble', 1, 90, 50), threads: 1 };
    const table = renderTable(summarize([one, ...samples], metrics), metrics);
    expect(table.split('\n')[2]).toMatch(/90\.0 \/ 90\.0 \| +- \| +- \|/);
  });

  it('measures what the plan asks for', () => {
    const ids = metricsOf(workload({ prefill: [32, 512], decode: [16, 1024], timeLimit: 60 })).map(
      ({ id }) => id,
    );
    expect(ids).toContain('prefill512');
    expect(ids).toContain('decode1024');
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe.skipIf(process.platform !== 'linux')('a process and its children', () => {
  it('are found and add up', async () => {
    const busy =
      "const end = Date.now() + 300; while (Date.now() < end); console.log('done'); setInterval(() => {}, 1000)";
    const child = spawn(process.execPath, ['-e', busy], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await once(child.stdout, 'data');
      const tree = processTree(process.pid);
      expect(tree[0]).toBe(process.pid);
      expect(tree).toContain(child.pid);
      const own = [child.pid!];
      expect(cpuMs(own)).toBeGreaterThan(0);
      expect(cpuMs(tree)).toBeGreaterThanOrEqual(cpuMs(own));
      expect(pss(own)).toBeGreaterThan(1e6);
      expect(peakRss(own)).toBeGreaterThanOrEqual(pss(own));
    } finally {
      child.kill();
    }
  });

  it('count nothing where they have ended', () => {
    expect([cpuMs([2 ** 30]), peakRss([2 ** 30]), pss([2 ** 30])]).toEqual([0, 0, 0]);
  });
});
