/** Why a file cannot be written, in words. */
import { NibbleError } from '../../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  EISDIR: 'it is a directory',
  ENOSPC: 'the disk is full',
  EDQUOT: "the disk's quota is used up",
  EFBIG: 'the file is larger than is allowed here',
  EROFS: 'the disk is read-only',
  EACCES: 'it may not be written to',
  EPERM: 'it may not be written to',
};

/** @param error what a call of node:fs threw */
export function writeReason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? (code || message);
}

/** What the system says of a file that cannot be written, in one line that names it: ERR_OUTPUT. */
export function cannotWrite(path: string, error: unknown): NibbleError {
  return new NibbleError('ERR_OUTPUT', `cannot write ${path}: ${writeReason(error)}`, { cause: error });
}
