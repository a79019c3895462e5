// @ts-check
/**
 * llama.cpp compiled to WebAssembly, as wllama ships it, in headless Chromium. A page of its own server loads it; the
 * headers that isolate the page give it threads. With one thread the page is not isolated and wllama goes without.
 *
 * It takes text alone: prompts are texts of so many tokens, and the ids of its answers are not known.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { cpuMs, peakRss, processTree, pss } from '../processes.mjs';

const TYPES = new Map([
  ['.js', 'text/javascript'],
  ['.wasm', 'application/wasm'],
]);
/** What a page needs for memory that threads share. */
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
/** A prompt may miss its length by so much. */
const PROMPT_ERROR = 0.02;

/** Debian's, or another one by NIBBLE_CHROMIUM. */
export function chromiumPath() {
  return process.env['NIBBLE_CHROMIUM'] ?? '/usr/bin/chromium';
}

/**
 * @param {import('../plan.mjs').Job & { cache: string }} job
 * @returns {import('../measure.mjs').Adapter}
 */
export function createAdapter({ paths, threads, contextSize, batchSize, cache }) {
  const folder = join(cache, 'wllama', 'node_modules');
  const package_ = join(folder, '@wllama', 'wllama');
  // Their types are not installed here.
  /** @type {Record<'process' | 'browser' | 'page', any>} */
  const chromium = { process: undefined, browser: undefined, page: undefined };
  /** @type {import('node:http').Server} */
  let server;
  /** @type {import('../../../src/tokenizer/index.ts').Tokenizer} */
  let tokenizer;
  /** @type {(part: { text: string, promptTokens?: number } | null) => void} */
  let onPart = () => {};
  // This process only drives: what it needs is not the engine's.
  const pids = () => processTree(process.pid).slice(1);

  return {
    async start() {
      const { version } = JSON.parse(readFileSync(join(package_, 'package.json'), 'utf8'));
      server = await serve(join(package_, 'esm'), paths, threads > 1);
      const { chromium: launcher } = createRequire(join(folder, 'index.js'))('playwright-core');
      chromium.process = await launcher.launchServer({
        executablePath: chromiumPath(),
        args: ['--no-sandbox', '--disable-dev-shm-usage'],
      });
      chromium.browser = await launcher.connect(chromium.process.wsEndpoint());
      chromium.page = await chromium.browser.newPage();
      await chromium.page.exposeFunction('nibblePart', (/** @type {Parameters<typeof onPart>[0]} */ part) =>
        onPart(part),
      );
      const address = /** @type {import('node:net').AddressInfo} */ (server.address());
      await chromium.page.goto(`http://127.0.0.1:${address.port}/`);
      return { version };
    },
    async load() {
      const names = paths.map((_, i) => `/model-${i}.gguf`);
      const found = await chromium.page.evaluate(loadInPage, {
        names,
        options: {
          ...{ n_ctx: contextSize, n_batch: batchSize, n_ubatch: batchSize },
          ...{ n_threads: threads, n_gpu_layers: 0 },
        },
      });
      if (found.threads !== threads)
        throw new Error(`wllama runs on ${found.threads} threads, not ${threads}`);
      return { backend: `llama.cpp ${found.llamaCpp}, WebAssembly, Chromium ${chromium.browser.version()}` };
    },
    async *generate(ids, tokens) {
      tokenizer ??= await readTokenizer(paths[0] ?? '');
      const prompt = textOf(tokenizer, ids);
      /** @type {({ text: string, promptTokens?: number } | null)[]} */
      const parts = [];
      let wake = () => {};
      onPart = (part) => {
        parts.push(part);
        wake();
      };
      const done = chromium.page.evaluate(completeInPage, { prompt, tokens });
      /** @type {Error | undefined} */
      let failed;
      done.catch((/** @type {Error} */ error) => {
        failed = error;
        onPart(null);
      });
      for (let count = 0; count < tokens;) {
        while (parts.length === 0) await new Promise((resolve) => (wake = () => resolve(undefined)));
        const part = parts.shift();
        if (failed) throw failed;
        if (!part) break;
        if (count === 0) checkLength(part.promptTokens, ids.length);
        count++;
        yield [-1];
      }
      await done;
    },
    meter: { cpuMs: () => cpuMs(pids()), peakRss: () => peakRss(pids()), pss: () => pss(pids()) },
    async close() {
      await chromium.process.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Runs in the page. @param {{ names: string[], options: object }} job */
async function loadInPage({ names, options }) {
  /** @type {any} */
  const page = globalThis;
  const url = '/index.js';
  const { Wllama } = await import(url);
  page.wllama = new Wllama({ default: '/wasm/wllama.wasm' }, { suppressNativeLog: true });
  const blobs = await Promise.all(names.map(async (name) => (await fetch(name)).blob()));
  await page.wllama.loadModel(blobs, options);
  return { threads: page.wllama.getNumThreads(), llamaCpp: Wllama.getLibllamaVersion() };
}

/** Runs in the page. @param {{ prompt: string, tokens: number }} job */
async function completeInPage({ prompt, tokens }) {
  /** @type {any} */
  const page = globalThis;
  const stream = await page.wllama.createCompletion({
    ...{ prompt, max_tokens: tokens, temperature: 0, stream: true },
    ...{ ignore_eos: true, cache_prompt: false, timings_per_token: true },
  });
  for await (const { choices, timings } of stream) {
    // The last one has a reason and no token.
    if (choices[0].finish_reason === null)
      page.nibblePart({ text: choices[0].text, promptTokens: timings?.prompt_n });
  }
}

/** @param {string} folder @param {string[]} models @param {boolean} isolated @returns {Promise<import('node:http').Server>} */
async function serve(folder, models, isolated) {
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    const headers = isolated ? ISOLATED : {};
    if (url === '/') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/html' });
      response.end('<!doctype html><title>wllama</title>');
      return;
    }
    const model = /^\/model-(\d+)\.gguf$/.exec(url)?.[1];
    const path = model === undefined ? join(folder, url) : (models[Number(model)] ?? '');
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES.get(extname(path)) ?? 'application/octet-stream';
    response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': size });
    createReadStream(path, { highWaterMark: 2 ** 20 }).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return server;
}

/** @param {string} path @returns {Promise<import('../../../src/tokenizer/index.ts').Tokenizer>} */
async function readTokenizer(path) {
  const built = (/** @type {string} */ name) =>
    import(new URL(`../../../dist/src/${name}`, import.meta.url).href);
  const [{ openGguf, closeGguf }, { fileSource }, { createTokenizer }] = await Promise.all([
    built('gguf/index.js'),
    built('platform/node/file-source.js'),
    built('tokenizer/index.js'),
  ]);
  const file = await openGguf(path, fileSource);
  try {
    return createTokenizer(file.metadata);
  } finally {
    await closeGguf(file);
  }
}

/**
 * A text that is as many tokens long: the ids' own text, cut or repeated until its length is right.
 *
 * @param {import('../../../src/tokenizer/index.ts').Tokenizer} tokenizer @param {number[]} ids
 */
function textOf(tokenizer, ids) {
  let text = tokenizer.decode(ids);
  for (let round = 0; round < 20; round++) {
    const found = tokenizer.encode(text);
    if (found.length === ids.length) break;
    text =
      found.length > ids.length
        ? tokenizer.decode(found.slice(0, ids.length))
        : text + text.slice(0, ids.length);
  }
  return text;
}

/** @param {number | undefined} found @param {number} wanted */
function checkLength(found, wanted) {
  // Short prompts have a token or two more: of the start, or because of where two words meet.
  if (found !== undefined && Math.abs(found - wanted) <= Math.max(2, PROMPT_ERROR * wanted)) return;
  throw new Error(`wllama saw a prompt of ${found} tokens, not ${wanted}`);
}
