#!/usr/bin/env node
/** The `nibble` command. */
import { createContext } from './context.ts';
import { reportFailure } from './failure.ts';
import { createProgram } from './program.ts';

const context = createContext(process.argv);
// What nobody awaited: there is no telling what still works, so the process ends here.
process.on('uncaughtException', (error) => process.exit(reportFailure(error, context) || 1));
try {
  await createProgram(context).parseAsync(process.argv);
  process.exitCode = context.stopCode() ?? 0;
} catch (error) {
  process.exitCode = reportFailure(error, context);
}
