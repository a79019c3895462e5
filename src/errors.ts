/**
 * Every error that nibble raises on purpose is a NibbleError with a stable `code`: programs branch on the
 * code, people read the message. A message names the file or option at fault and says what to do.
 */
export class NibbleError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A GGUF file that is damaged, hostile or beyond what this reader knows. */
export class GgufError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_GGUF', message, options);
  }
}

/** A Hugging Face checkpoint that is damaged, hostile, incomplete or of a kind that cannot be converted. */
export class CheckpointError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_CHECKPOINT', message, options);
  }
}

/** A model that cannot be run: unknown architecture, missing tensor, wrong shape, not enough memory. */
export class ModelError extends NibbleError {
  constructor(message: string, options?: ErrorOptions & { code?: string }) {
    super(options?.code ?? 'ERR_MODEL', message, options);
  }
}

/** The prompt or the conversation does not fit in the context. */
export class ContextOverflowError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_CONTEXT_OVERFLOW', message, options);
  }
}

/** A worker thread died or threw: the model cannot be used any more, only disposed. */
export class WorkerError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_WORKER', message, options);
  }
}

/** Text that cannot be tokenized, or a vocabulary that cannot be used. */
export class TokenizerError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_TOKENIZER', message, options);
  }
}

/** A model could not be found, downloaded or stored; the code says which (ERR_OFFLINE, ERR_NOT_FOUND, ...). */
export class StoreError extends NibbleError {}

/** A saved state that is damaged, or belongs to another model or kind of cache. */
export class StateError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_STATE', message, options);
  }
}

/** An option or argument outside its range. */
export class UsageError extends NibbleError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_USAGE', message, options);
  }
}

/** The call was stopped through its AbortSignal; `name` is what the web platform uses. */
export class AbortedError extends NibbleError {
  constructor(message = 'stopped by the caller') {
    super('ERR_ABORTED', message);
    this.name = 'AbortError';
  }
}

/** Errors that are about a file's content, whichever part of the program meets them. */
const ABOUT_FILES = new Set(['ERR_GGUF', 'ERR_MODEL', 'ERR_UNKNOWN_ARCHITECTURE', 'ERR_TOKENIZER']);

/** The same error, its message led by the file's path where it names no file yet. */
export function inFile(path: string, error: unknown): unknown {
  const name = path.split(/[\\/]/).at(-1)!;
  if (error instanceof NibbleError && ABOUT_FILES.has(error.code) && !error.message.includes(name)) {
    error.message = `${path}: ${error.message}`;
  }
  return error;
}
