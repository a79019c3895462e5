import { ModelError } from '../../errors.ts';

/**
 * Fails with a ModelError when a logit is NaN or infinite: every comparison with NaN is false, so sampling would
 * go on and return some token id without a word. Four sums of x * 0 find them without a branch per logit.
 */
export function checkFinite(logits: Float32Array): void {
  const n = logits.length;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < n; i += 4) {
    a += logits[i]! * 0;
    b += logits[i + 1]! * 0;
    c += logits[i + 2]! * 0;
    d += logits[i + 3]! * 0;
  }
  for (; i < n; i++) a += logits[i]! * 0;
  if (a + b + c + d !== 0) reportNonFinite(logits);
}

function reportNonFinite(logits: Float32Array): never {
  let count = 0;
  let first = -1;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isFinite(logits[i]!)) continue;
    if (first < 0) first = i;
    count++;
  }
  throw new ModelError(
    `the model computed ${count} of ${logits.length} logits as NaN or Infinity ` +
      `(the first at token id ${first}: ${logits[first]}): its weights are damaged, or a kernel is wrong`,
    { code: 'ERR_NON_FINITE_LOGITS' },
  );
}
