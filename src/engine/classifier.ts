/** The head of an encoder that classifies texts: from metadata to labels, from scores to probabilities. */
import { ModelError } from '../errors.ts';
import { findString, findStrings, type Metadata } from '../gguf/metadata.ts';
import type { GgufTensor } from '../gguf/types.ts';
import type { Activation, Classifier } from './architectures/types.ts';
import type { Classification } from './types.ts';

/** `classifier.activation` by name; files without it are BERT's, which has tanh. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = { tanh: 'tanh', relu: 'relu', gelu: 'gelu-erf' };

/**
 * The classifier of a file that has one.
 *
 * @throws ModelError where labels and scores are not as many, or the activation is not known
 */
export function readClassifier(
  metadata: Metadata,
  architecture: string,
  tensors: ReadonlyMap<string, GgufTensor>,
): Classifier | undefined {
  const scores = tensors.get('cls.output.weight');
  if (!scores) return undefined;
  const count = scores.shape[1] ?? 1;
  const labels =
    findStrings(metadata, `${architecture}.classifier.output_labels`) ??
    Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  if (labels.length !== count) {
    throw new ModelError(
      `${architecture}.classifier.output_labels has ${labels.length} labels for ${count} scores`,
    );
  }
  const name = findString(metadata, `${architecture}.classifier.activation`) ?? 'tanh';
  const activation = ACTIVATIONS[name];
  if (!activation) throw new ModelError(`${architecture}.classifier.activation "${name}" is not supported`);
  return { labels, activation };
}

/** Probabilities are a softmax over the scores, or a sigmoid of the only one. */
export function classification(labels: readonly string[], logits: Float32Array): Classification {
  const most = labels.length === 1 ? 0 : Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = labels.length === 1 ? 1 + powers[0]! : powers.reduce((sum, power) => sum + power, 0);
  const scores = labels.map((label, i) => ({ label, logit: logits[i]!, probability: powers[i]! / total }));
  const best = scores.reduce((a, b) => (b.probability > a.probability ? b : a));
  return { label: best.label, probability: best.probability, scores };
}
