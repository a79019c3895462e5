// @ts-check
/** A thread of matmul.mjs: does its share of every step until it is stopped. */
import { parentPort, workerData } from 'node:worker_threads';
import { slowDown } from './slow-kernels.mjs';

/** @type {typeof import('../src/kernels/exports.ts')} */
const { instantiate } = await import(new URL('../dist/src/kernels/exports.js', import.meta.url).href);
/** @type {{ module: WebAssembly.Module, memory: WebAssembly.Memory, worker: number, slow?: Slow }} */
const { module, memory, worker, slow } = workerData;
/** @typedef {{ factor: number, indices: number[], calls: Int32Array }} Slow */
const kernels = instantiate(module, memory);
if (slow) slowDown(kernels, slow.indices, slow.factor, slow.calls);
parentPort?.postMessage('ready');
for (let epoch = 0; (epoch = kernels.awaitStep(epoch)) !== 0;) kernels.walk(worker, epoch);
