/**
 * The package as users get it: packed, installed into an empty project without optional dependencies, used through
 * its bin and as a library. Needs the package registry (or npm's cache) for the dependencies.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const ROOT = new URL('../..', import.meta.url);
/** npm's own entry point: no shell, so that it works everywhere. */
const NPM = process.env.npm_execpath;
const MODEL = 'node_modules/nibble-llm/models/tiny-chat/tiny-chat.Q8_0.gguf';

let project: string;

async function npm(args: string[], cwd: string | URL): Promise<string> {
  const options = { cwd, env: { ...process.env, CI: 'true' }, maxBuffer: 2 ** 24 };
  const { stdout } = NPM
    ? await run(process.execPath, [NPM, ...args], options)
    : await run('npm', args, { ...options, shell: process.platform === 'win32' });
  return stdout;
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'nibble package '));
  const packed = await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', project], ROOT);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  await writeFile(join(project, 'package.json'), '{ "name": "empty", "type": "module", "private": true }');
  const flags = ['--omit=dev', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  await npm(['install', ...flags, `./${filename}`], project);
}, 180_000);

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

async function node(args: string[]): Promise<string> {
  const env = { ...process.env, NIBBLE_HOME: join(project, 'home'), NO_COLOR: '1' };
  const { stdout } = await run(process.execPath, args, { cwd: project, env });
  return stdout;
}

test('brings no native file', async () => {
  const files = await readdir(join(project, 'node_modules'), { recursive: true });
  expect(files.filter((file) => /\.(node|so|dll|dylib)$/.test(file))).toEqual([]);
  expect(files).toContain(join('nibble-llm', 'dist', 'kernels', 'simd.wasm'));
  expect(files).toContain(join('nibble-llm', 'tools', 'perplexity', 'sets', 'everyday.jsonl'));
});

test('chats through its bin', async () => {
  const bin = 'node_modules/nibble-llm/dist/src/cli/main.js';
  const answer = await node([bin, 'chat', MODEL, '--prompt', 'What is two plus two?', '--temp', '0']);
  expect(answer.trim().length).toBeGreaterThan(3);
  // npm has linked the command's name to that file.
  expect(await readdir(join(project, 'node_modules', '.bin'))).toContain('nibble');
});

test('chats as a library, and the process ends by itself', async () => {
  const script = `
    import { loadModel } from 'nibble-llm';
    import { readGguf } from 'nibble-llm/gguf';
    const model = await loadModel(${JSON.stringify(MODEL)}, { threads: 2 });
    let text = '';
    for await (const part of model.chat([{ role: 'user', content: 'Hello' }], { temperature: 0 })) text += part.text;
    await model.dispose();
    console.log(JSON.stringify({ text, readGguf: typeof readGguf }));
  `;
  await writeFile(join(project, 'use.js'), script);
  const result = JSON.parse(await node(['use.js'])) as { text: string; readGguf: string };
  expect(result.text.length).toBeGreaterThan(3);
  expect(result.readGguf).toBe('function');
});
