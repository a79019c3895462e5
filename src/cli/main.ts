#!/usr/bin/env node
/** The `nibble` command. */
import { createContext } from './context.ts';
import { reportFailure } from './failure.ts';
import { createProgram } from './program.ts';

const context = createContext(process.argv);
try {
  await createProgram(context).parseAsync(process.argv);
  process.exitCode = context.stopCode() ?? 0;
} catch (error) {
  process.exitCode = reportFailure(error, context);
}
