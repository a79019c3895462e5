// Makes the checkout ready to run: right Node, packages installed, kernels and TypeScript built.
// Runs before `npm run chat`, `npm run nibble` and `npm test`; does only what is missing or stale.
//
// It needs nothing but Node, and its syntax is old on purpose (no ?. or ??): an old Node must get as
// far as the line that tells that it is too old.
//
// What is fresh: each unit of work (packages, each kernel target, TypeScript) has a stamp beside its
// output: the size, time and hash of every input as they were before it was built. The stamp is
// removed before the work and written after it, so an interrupted build is never taken for a fresh
// one. Sizes and times decide; where only a time differs (a fresh clone, `npm ci`), the hash does.

import { spawn } from 'child_process';
import { createHash } from 'crypto';
import * as fs from 'fs';
import { hostname } from 'os';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const LOCK = join(ROOT, '.cache', 'ready.lock');
const LOCK_STALE_MS = 30000;

const at = (path) => join(ROOT, path);
const say = (line) => process.stderr.write(`nibble: ${line}\n`);
const readJson = (path) => JSON.parse(fs.readFileSync(at(path), 'utf8'));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A failure already worded for the reader: no stack trace. */
class Failure extends Error {}

// --- inputs and stamps -----------------------------------------------------------------------------

/** Every file below a folder, or the file itself; paths relative to ROOT, with forward slashes. */
function filesUnder(path) {
  const stat = fs.statSync(at(path), { throwIfNoEntry: false });
  if (!stat) return [];
  if (!stat.isDirectory()) return [path];
  return fs.readdirSync(at(path)).flatMap((name) => filesUnder(`${path}/${name}`));
}

const hashOf = (path) =>
  createHash('sha256')
    .update(fs.readFileSync(at(path)))
    .digest('hex')
    .slice(0, 32);

/** What a stamp holds: { path: [size, mtime, hash] }. */
function describe(paths) {
  const files = {};
  for (const path of paths) {
    const stat = fs.statSync(at(path));
    files[path] = [stat.size, stat.mtimeMs, hashOf(path)];
  }
  return files;
}

function readStamp(unit) {
  try {
    return readJson(unit.stamp);
  } catch {
    return null; // missing or torn
  }
}

function writeStamp(unit, files) {
  const temporary = at(`${unit.stamp}.${process.pid}`);
  fs.mkdirSync(dirname(temporary), { recursive: true });
  fs.writeFileSync(temporary, JSON.stringify(files));
  fs.renameSync(temporary, at(unit.stamp));
}

function isFresh(unit) {
  if (!unit.outputs().every((path) => fs.existsSync(at(path)))) return false;
  const stamp = readStamp(unit);
  const inputs = unit.inputs();
  if (!stamp) return unit.adopt !== undefined && unit.adopt();
  if (inputs.length !== Object.keys(stamp).length) return false;
  let touched = false;
  for (const path of inputs) {
    const known = stamp[path];
    const stat = fs.statSync(at(path));
    if (!known || known[0] !== stat.size) return false;
    if (known[1] === stat.mtimeMs) continue;
    if (known[2] !== hashOf(path)) return false;
    touched = true;
  }
  if (touched) writeStamp(unit, describe(inputs));
  return true;
}

// --- running tools ---------------------------------------------------------------------------------

const running = new Set();
const shown = new Set(); // the same mistake fails every kernel target: once is enough

/** Runs a program without a shell; its output is shown only when it fails. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    running.add(child);
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) return resolve();
      const text = Buffer.concat(output).toString().trimEnd();
      if (text && !shown.has(text)) process.stderr.write(`${text}\n`);
      shown.add(text);
      reject(new Failure(signal ? `stopped by ${signal}` : `exit code ${code}`));
    });
  });
}

const runNode = (script, ...args) => run(process.execPath, [script, ...args]);

/** npm as a script for this same Node: on Windows `npm` is a .cmd file, which needs a shell. */
function runNpm(...args) {
  const bin = dirname(process.execPath);
  const script = [
    process.env.npm_execpath,
    join(bin, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(bin, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ].find((path) => path && /npm-cli\.c?js$/.test(path) && fs.existsSync(path));
  return script ? runNode(script, ...args) : run('npm', args);
}

// --- the units of work -----------------------------------------------------------------------------

/** The packages in node_modules. */
function packagesUnit() {
  const locked = fs.existsSync(at('package-lock.json'));
  const source = locked ? 'package-lock.json' : 'package.json';
  return {
    name: 'packages',
    stamp: 'node_modules/.nibble-ready.json',
    inputs: () => [source],
    outputs: () => ['node_modules/.package-lock.json'], // npm writes it last
    adopt: () => locked && installedByHand(),
    work: () => runNpm(locked ? 'ci' : 'install', '--include=dev', '--no-audit', '--no-fund'),
  };
}

/** No stamp, but someone ran npm: are all packages there, in the versions that the lock file names? */
function installedByHand() {
  const wanted = readJson('package-lock.json').packages || {};
  const present = readJson('node_modules/.package-lock.json').packages || {};
  return Object.keys(wanted).every((path) => {
    if (path === '' || (!present[path] && (wanted[path].optional || wanted[path].devOptional))) return true;
    return present[path] !== undefined && present[path].version === wanted[path].version;
  });
}

/** An AssemblyScript file and what it imports, directly or not. */
function importedFrom(entry, found = new Set()) {
  if (found.has(entry) || !fs.existsSync(at(entry))) return [];
  found.add(entry);
  for (const [, path] of fs.readFileSync(at(entry), 'utf8').matchAll(/from '(\.[^']*)'/g)) {
    const target = join(dirname(entry), path).replace(/\\/g, '/');
    importedFrom(`${target}.ts`, found);
    importedFrom(`${target}/index.ts`, found);
  }
  return [...found];
}

/** One unit for each target of asconfig.json, so that they compile side by side. */
function kernelUnits() {
  if (!fs.existsSync(at('asconfig.json'))) return [];
  const targets = readJson('asconfig.json').targets || {};
  return Object.keys(targets).map((target) => {
    // `entry` is ours: asc itself knows but one list of entries for all targets.
    const { entry, outFile: out } = targets[target];
    return {
      name: `kernels ${target}`,
      stamp: `dist/.ready/kernels-${target}.json`,
      inputs: () => [
        ...importedFrom(entry),
        'asconfig.json',
        ...filesUnder('node_modules/assemblyscript/package.json'), // another compiler, other kernels
      ],
      outputs: () => [out],
      work: async () => {
        const temporary = out.replace(/\.wasm$/, `.${process.pid}.wasm`);
        fs.mkdirSync(dirname(at(out)), { recursive: true });
        try {
          await runNode(
            at('node_modules/assemblyscript/bin/asc.js'),
            entry,
            ...['--config', 'asconfig.json', '--target', target, '--outFile', temporary],
          );
          fs.renameSync(at(temporary), at(out));
        } finally {
          fs.rmSync(at(temporary), { force: true });
        }
      },
    };
  });
}

/** What tsconfig.build.json compiles, and what it makes of a file. */
const SOURCES = ['src', 'tools', 'lab/tool'];
const ENDINGS = ['.js', '.js.map', '.d.ts', '.d.ts.map'];

function typescriptUnit() {
  const sources = () => SOURCES.flatMap(filesUnder).filter((path) => /(?<!\.d)\.ts$/.test(path));
  const emitted = (path, ending) => `dist/${path.replace(/\.ts$/, ending)}`;
  return {
    name: 'TypeScript',
    stamp: 'dist/.ready/typescript.json',
    inputs: () => [
      ...SOURCES.flatMap(filesUnder),
      'tsconfig.json',
      'tsconfig.build.json',
      ...filesUnder('node_modules/typescript/package.json'),
    ],
    outputs: () => sources().map((path) => emitted(path, '.js')),
    work: async () => {
      await runNode(at('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json');
      // A source that is gone must not live on in dist.
      const current = new Set(sources().flatMap((path) => ENDINGS.map((ending) => emitted(path, ending))));
      const gone = filesUnder('dist').filter(
        (path) => /\.(js|d\.ts)(\.map)?$/.test(path) && !current.has(path),
      );
      for (const path of gone) fs.rmSync(at(path));
    },
  };
}

async function perform(unit) {
  const started = Date.now();
  const files = describe(unit.inputs());
  fs.rmSync(at(unit.stamp), { force: true });
  try {
    await unit.work();
  } catch (error) {
    say(`${unit.name} failed: ${error.message}`);
    throw new Failure(`not ready: ${unit.name} failed, see above`);
  }
  writeStamp(unit, files);
  say(`${unit.name} ready in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

// --- the lock: one run at a time works, the others wait and then find everything fresh ---------------

function lockIsStale() {
  try {
    const beat = fs.statSync(LOCK).mtimeMs;
    if (Date.now() - beat > LOCK_STALE_MS) return true;
    const owner = JSON.parse(fs.readFileSync(join(LOCK, 'owner'), 'utf8'));
    if (owner.host !== hostname()) return false;
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH'; // no such process; anything else: just being taken or released
  }
}

async function withLock(work) {
  fs.mkdirSync(dirname(LOCK), { recursive: true });
  let told = false;
  for (;;) {
    try {
      fs.mkdirSync(LOCK);
      break;
    } catch (error) {
      if (!fs.existsSync(LOCK) && error.code !== 'EEXIST') throw error;
    }
    if (lockIsStale()) {
      const aside = `${LOCK}.${process.pid}`;
      try {
        fs.renameSync(LOCK, aside); // of several waiters, one succeeds
        fs.rmSync(aside, { recursive: true, force: true });
      } catch {
        // another waiter took it
      }
      continue;
    }
    if (!told) say('waiting for another run that is building');
    told = true;
    await sleep(100);
  }
  fs.writeFileSync(join(LOCK, 'owner'), JSON.stringify({ pid: process.pid, host: hostname() }));
  const release = () => fs.rmSync(LOCK, { recursive: true, force: true });
  const heartbeat = setInterval(() => fs.utimes(LOCK, new Date(), new Date(), () => {}), LOCK_STALE_MS / 6);
  const stop = (signal, code) => {
    for (const child of running) child.kill(signal);
    release();
    process.exit(code);
  };
  process.once('SIGINT', () => stop('SIGINT', 130));
  process.once('SIGTERM', () => stop('SIGTERM', 143));
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    release();
  }
}

// --- the run ----------------------------------------------------------------------------------------

function checkNode() {
  const wanted = readJson('package.json').engines.node.match(/\d+(\.\d+)*/)[0];
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor = 0] = wanted.split('.').map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new Failure(`needs Node ${wanted} or newer; this is Node ${process.versions.node}`);
}

async function makeReady() {
  const packages = packagesUnit();
  if (!isFresh(packages)) {
    say('installing packages (the first time takes a minute)');
    await perform(packages);
  }
  const stale = [...kernelUnits(), typescriptUnit()].filter((unit) => !isFresh(unit));
  if (stale.length === 0) return;
  say(`building ${stale.map((unit) => unit.name).join(', ')}`);
  const results = await Promise.allSettled(stale.map(perform));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function main() {
  checkNode();
  if (!fs.existsSync(at('tsconfig.build.json'))) return; // an installed package: nothing to build
  if ([packagesUnit(), ...kernelUnits(), typescriptUnit()].every(isFresh)) return;
  await withLock(makeReady);
}

main().catch((error) => {
  say(error instanceof Failure ? error.message : error.stack);
  process.exitCode = 1;
});
