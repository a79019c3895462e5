import { NibbleError } from '../../src/errors.ts';

/**
 * A learner's kernel, or what the lab needs to judge it, is not as it should be: ERR_LAB_COMPILE, ERR_LAB_MODULE,
 * ERR_LAB_TRAP, ERR_LAB_TIME, ERR_NO_ASSEMBLYSCRIPT, ERR_LAB_FILE.
 */
export class LabError extends NibbleError {}
