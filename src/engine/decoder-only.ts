/** What only models that generate can do. */
import { ModelError } from '../errors.ts';
import type { ModelInfo } from './types.ts';

/** @throws ModelError for an encoder, which has no logits of tokens */
export function requireDecoder({ encoder, name, architecture, labels }: ModelInfo): void {
  if (!encoder) return;
  throw new ModelError(
    `${name} is an encoder (${architecture}) and generates no text: use embed${labels ? ' or classify' : ''}`,
    { code: 'ERR_ENCODER' },
  );
}
