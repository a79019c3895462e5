/** Why a file cannot be read, in words. */
import { NibbleError } from '../../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'it may not be read',
  EPERM: 'it may not be read',
};

/** What the system says of a file that cannot be read, in one line that names it: ERR_INPUT. */
export function cannotRead(path: string, error: unknown): NibbleError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code] ?? (code || message);
  return new NibbleError('ERR_INPUT', `cannot read ${path}: ${reason}`, { cause: error });
}
