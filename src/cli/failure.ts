/** What a failed command says, and with which code it exits: 1 failed, 2 bad usage, 130 interrupted. */
import { CommanderError } from 'commander';
import { AbortedError, NibbleError, UsageError } from '../errors.ts';
import type { CliContext } from './context.ts';

/** Ends a command with a code of its own and says nothing more. */
export class ExitError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** Reports the error and returns the exit code. */
export function reportFailure(error: unknown, context: CliContext): number {
  if (error instanceof ExitError) return error.exitCode;
  // commander has written its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const stop = context.stopCode();
  if (stop !== undefined && (error instanceof AbortedError || isAbort(error))) return stop;
  context.notice(messageOf(error, context.verbose));
  if (context.verbose && error instanceof Error) context.log(stackOf(error));
  return error instanceof UsageError ? 2 : 1;
}

function messageOf(error: unknown, verbose: boolean): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
  if (error instanceof NibbleError || isSystemError(error)) return text;
  return `internal error: ${text}${verbose ? '' : ' (--verbose shows where)'}`;
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return (error.stack ?? error.message) + cause;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Errors of the operating system name the call and the path themselves: `ENOSPC: no space left ...`. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
