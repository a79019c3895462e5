#!/usr/bin/env node
/** The `nibble` command. */
import { createContext } from './context.ts';
import { reportFailure } from './failure.ts';
import { createProgram } from './program.ts';

/** llama-batched-bench writes -npl; commander takes a single dash for single letters. */
const longOption = (argument: string): string => (argument === '-npl' ? '--npl' : argument);

const context = createContext(process.argv);
// What nobody awaited: there is no telling what still works, so the process ends here.
process.on('uncaughtException', (error) => process.exit(reportFailure(error, context) || 1));
try {
  await createProgram(context).parseAsync(process.argv.map(longOption));
  process.exitCode = context.stopCode() ?? 0;
} catch (error) {
  process.exitCode = reportFailure(error, context);
}
