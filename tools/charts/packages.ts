import { NibbleError } from '../../src/errors.ts';

/** Large packages that only drawing needs are asked for by name: the package does not bring them. */
export function missingPackages(what: string, names: readonly string[], cause: unknown): NibbleError {
  return new NibbleError('ERR_NO_CHARTS', `${what} need more packages: npm install ${names.join(' ')}`, {
    cause,
  });
}
