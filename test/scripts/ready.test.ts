// scripts/ready.mjs in a small checkout of its own, with stand-ins for npm, asc and tsc that log each
// run to `log` and fail when a source says FAIL.

import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/ready.mjs', import.meta.url));

const TOOL = `
const fs = require('fs');
const path = require('path');
const log = (line) => fs.appendFileSync('log', line + '\\n');
const list = (dir) => fs.readdirSync(dir).map((name) => dir + '/' + name);
const failing = (dir) => list(dir).some((file) => fs.readFileSync(file, 'utf8').includes('FAIL'));
const write = (file, text) => { fs.mkdirSync(path.dirname(file), { recursive: true }); fs.writeFileSync(file, text); };
const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const fail = (text) => { console.error(text); process.exit(2); };
`;
const ASC = `${TOOL}
log('asc ' + option('--target'));
write(option('--outFile'), 'half');
if (failing('assembly')) fail('ERROR AS100');
const slow = list('assembly').some((file) => fs.readFileSync(file, 'utf8').includes('SLOW'));
setTimeout(() => write(option('--outFile'), 'whole'), slow ? 20000 : 100);
`;
const TSC = `${TOOL}
log('tsc');
for (const file of list('src')) write('dist/' + file.replace('.ts', '.js'), '');
if (failing('src')) fail('error TS1005');
`;
const NPM = `${TOOL}
log('npm ' + process.argv[2]);
write('node_modules/assemblyscript/bin/asc.js', fs.readFileSync('fake/asc.cjs', 'utf8'));
write('node_modules/typescript/bin/tsc', fs.readFileSync('fake/tsc.cjs', 'utf8'));
write('node_modules/.package-lock.json', fs.readFileSync('package-lock.json', 'utf8'));
`;
const BUILT = ['asc dot2', 'asc simd', 'tsc'];

let root: string;
const at = (path: string) => join(root, path);

function write(path: string, text: string) {
  fs.mkdirSync(dirname(at(path)), { recursive: true });
  fs.writeFileSync(at(path), text);
}

/** The lines that the tools logged since the last call, sorted: builds run side by side. */
function takeLog(): string[] {
  if (!fs.existsSync(at('log'))) return [];
  const lines = fs.readFileSync(at('log'), 'utf8').trim().split('\n').sort();
  fs.rmSync(at('log'));
  return lines;
}

function ready(...nodeOptions: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, npm_execpath: at('fake/npm-cli.js') };
  const child = spawn(process.execPath, [...nodeOptions, at('scripts/ready.mjs')], { cwd: root, env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

const lockFile = (version: string) => JSON.stringify({ packages: { '': {}, 'node_modules/a': { version } } });

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'nibble ready ')); // a space: no shell may stumble over it
  fs.mkdirSync(at('scripts'));
  fs.copyFileSync(SCRIPT, at('scripts/ready.mjs'));
  write('package.json', JSON.stringify({ engines: { node: '>=20.19' } }));
  write('package-lock.json', lockFile('1.0.0'));
  const target = (name: string) => ({ entry: 'assembly/kernel.ts', outFile: `dist/kernels/${name}.wasm` });
  write('asconfig.json', JSON.stringify({ targets: { simd: target('simd'), dot2: target('dot2') } }));
  write('tsconfig.json', '{}');
  write('tsconfig.build.json', '{}');
  write('assembly/kernel.ts', 'export {}');
  write('src/main.ts', 'export {}');
  write('fake/asc.cjs', ASC);
  write('fake/tsc.cjs', TSC);
  write('fake/npm-cli.js', NPM);
});

afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

describe('ready.mjs', () => {
  it('installs and builds a fresh checkout once, and then does and says nothing', async () => {
    const first = await ready();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/packages ready in \d+\.\d s/);
    expect(takeLog()).toEqual([...BUILT.slice(0, 2), 'npm ci', 'tsc']);
    expect(fs.readFileSync(at('dist/kernels/simd.wasm'), 'utf8')).toBe('whole');
    expect(fs.readdirSync(at('dist/kernels')).sort()).toEqual(['dot2.wasm', 'simd.wasm']);

    expect(await ready()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(takeLog()).toEqual([]);
  });

  describe('in a built checkout', () => {
    beforeEach(async () => {
      await ready();
      takeLog();
    });

    it('rebuilds only the part whose source changed', async () => {
      write('src/main.ts', 'export { }');
      await ready();
      expect(takeLog()).toEqual(['tsc']);
      write('assembly/kernel.ts', 'export { }');
      await ready();
      expect(takeLog()).toEqual(['asc dot2', 'asc simd']);
    });

    it('rebuilds nothing when only times changed', async () => {
      for (const path of ['src/main.ts', 'assembly/kernel.ts', 'package-lock.json', 'tsconfig.json']) {
        fs.utimesSync(at(path), new Date(), new Date(1e12));
      }
      await ready();
      expect(takeLog()).toEqual([]);
    });

    it('sees a change of the same size', async () => {
      write('src/main.ts', 'export []');
      await ready();
      expect(takeLog()).toEqual(['tsc']);
    });

    it('builds again an output that is gone', async () => {
      fs.rmSync(at('dist/kernels/dot2.wasm'));
      fs.rmSync(at('dist/src/main.js'));
      await ready();
      expect(takeLog()).toEqual(['asc dot2', 'tsc']);
    });

    it('removes what a removed source had left in dist', async () => {
      write('src/other.ts', '');
      await ready();
      expect(fs.existsSync(at('dist/src/other.js'))).toBe(true);
      fs.rmSync(at('src/other.ts'));
      await ready();
      expect(fs.existsSync(at('dist/src/other.js'))).toBe(false);
      expect(fs.existsSync(at('dist/src/main.js'))).toBe(true);
    });

    it('installs when the lock file changed or node_modules is gone', async () => {
      write('package-lock.json', lockFile('1.0.1'));
      await ready();
      expect(takeLog()).toEqual(['npm ci']);
      fs.rmSync(at('node_modules'), { recursive: true });
      await ready();
      expect(takeLog()).toEqual(['npm ci']);
    });

    it('accepts an installation made by hand, if it fits the lock file', async () => {
      fs.rmSync(at('node_modules/.nibble-ready.json'));
      await ready();
      expect(takeLog()).toEqual([]);
      write('node_modules/.package-lock.json', lockFile('0.9.0'));
      await ready();
      expect(takeLog()).toEqual(['npm ci']);
    });

    it('fails with the output of the tool and one clear line, and is not fresh afterwards', async () => {
      write('assembly/kernel.ts', 'FAIL');
      for (let attempt = 0; attempt < 2; attempt++) {
        const { code, stdout, stderr } = await ready();
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
        expect(stderr.split('ERROR AS100')).toHaveLength(2); // once, though both targets fail with it
        expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^nibble: not ready: kernels \w+ failed/);
        expect(takeLog()).toEqual(['asc dot2', 'asc simd']);
      }
      expect(fs.readFileSync(at('dist/kernels/simd.wasm'), 'utf8')).toBe('whole');
    });

    it('does not take an emitted but failed TypeScript build for a fresh one', async () => {
      write('src/main.ts', 'FAIL');
      expect((await ready()).code).toBe(1);
      expect((await ready()).code).toBe(1);
      write('src/main.ts', 'export {}');
      expect((await ready()).code).toBe(0);
    });

    it('takes over the lock of a run that died', async () => {
      write('src/main.ts', '//');
      const { pid } = spawn(process.execPath, ['-e', '']);
      await new Promise((resolve) => setTimeout(resolve, 500));
      write('.cache/ready.lock/owner', JSON.stringify({ pid, host: hostname() }));
      expect((await ready()).code).toBe(0);
      expect(takeLog()).toEqual(['tsc']);
      expect(fs.readdirSync(at('.cache'))).toEqual([]);
    });
  });

  it.skipIf(process.platform === 'win32')(
    'stopped in the middle, leaves nothing that counts as fresh',
    async () => {
      await ready();
      takeLog();
      write('assembly/kernel.ts', 'SLOW');
      const child = spawn(process.execPath, [at('scripts/ready.mjs')], { cwd: root });
      const closed = new Promise((resolve) => child.on('close', resolve));
      while (!fs.existsSync(at('log'))) await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill('SIGTERM');
      expect(await closed).toBe(143);
      expect(fs.readdirSync(at('.cache'))).toEqual([]);

      write('node_modules/assemblyscript/bin/asc.js', ASC.replace('20000', '0'));
      await ready();
      expect(takeLog()).toEqual(expect.arrayContaining(['asc dot2', 'asc simd']));
      expect(fs.readFileSync(at('dist/kernels/simd.wasm'), 'utf8')).toBe('whole');
    },
  );

  it('lets one of several runs build while the others wait', async () => {
    const runs = await Promise.all([ready(), ready(), ready()]);
    expect(runs.map((run) => run.code)).toEqual([0, 0, 0]);
    expect(takeLog()).toEqual([...BUILT.slice(0, 2), 'npm ci', 'tsc']);
  });

  it('uses npm install where there is no lock file', async () => {
    write('fake/npm-cli.js', NPM.replace("fs.readFileSync('package-lock.json', 'utf8')", "'{}'"));
    fs.rmSync(at('package-lock.json'));
    expect((await ready()).code).toBe(0);
    expect(takeLog()).toContain('npm install');
  });

  it('does nothing in an installed package', async () => {
    fs.rmSync(at('tsconfig.build.json'));
    expect(await ready()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(takeLog()).toEqual([]);
  });

  it('tells a too old Node in one line', async () => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { node: '20.18.3' } })`;
    const { code, stderr } = await ready('--import', `data:text/javascript,${encodeURIComponent(pretend)}`);
    expect(code).toBe(1);
    expect(stderr).toBe('nibble: needs Node 20.19 or newer; this is Node 20.18.3\n');
    expect(takeLog()).toEqual([]);
  });
});
