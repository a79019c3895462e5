// @ts-check
/** A child process: gets a job as its argument, prints the result as its last line. */
import { measure } from './measure.mjs';

const job = /** @type {import('./plan.mjs').Job & { cache: string }} */ (JSON.parse(process.argv[2] ?? ''));
const { createAdapter } = await import(`./engines/${job.engine}.mjs`);
const result = await measure(job, createAdapter(job));
process.stdout.write(`\n${JSON.stringify(result)}\n`);
