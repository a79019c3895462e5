/** What `nibble perplexity` prints, in llama-perplexity's terms. */
import type { KlResult, Spread } from '../../../tools/perplexity/kl-statistics.ts';
import type { ChoiceResult, Recovery } from '../../../tools/perplexity/multiple-choice.ts';
import type { PerplexityResult } from '../../../tools/perplexity/perplexity.ts';

export function perplexityText(result: PerplexityResult, windows: number, window: number): string {
  const lines = [
    `tokens scored:  ${result.tokens} in ${windows} window(s) of ${window}`,
    `speed:          ${speedText(result)}`,
    `NLL:            ${result.nll.toFixed(4)}, mean ${plusMinus(result.nllMean, result.nllError)}`,
    `perplexity:     ${plusMinus(result.perplexity, result.perplexityError, 4)}`,
  ];
  return `${[...lines, ...(result.kl ? klLines(result.kl) : [])].join('\n')}\n`;
}

/** No distribution is nearer to another than to itself: what is below 0 is the base file's rounding. */
const NEGATIVE =
  '  (below 0: the base holds log probabilities in 16 bits, and rounding moves single values by some 1e-5)';

function klLines(kl: KlResult): string[] {
  return [
    '',
    'Against the base',
    `perplexity of the base:  ${plusMinus(kl.basePerplexity, kl.basePerplexityError, 4)}`,
    `ratio:                   ${plusMinus(kl.ratio, kl.ratioError)}   ln ${plusMinus(kl.logRatio, kl.logRatioError)}`,
    `difference:              ${plusMinus(kl.difference, kl.differenceError)}`,
    `correlation of ln p:     ${kl.correlation.toFixed(2)} %`,
    `KL divergence:           mean ${plusMinus(kl.mean, kl.error)}`,
    ...spreadLines(kl, (value) => value.toFixed(6)),
    ...(kl.min < 0 ? [NEGATIVE] : []),
    `change of p, in points:  mean ${plusMinus(kl.deltaP.mean, kl.deltaP.error, 3)}, rms ${plusMinus(kl.deltaP.rms, kl.deltaP.rmsError, 3)}`,
    ...spreadLines(kl.deltaP, (value) => value.toFixed(3)),
    `same top token:          ${plusMinus(kl.topAgreement, kl.topAgreementError, 2)} %`,
  ];
}

const SPREAD: readonly (readonly [keyof Spread, string])[] = [
  ['max', 'largest'],
  ['p999', '99.9 %'],
  ['p99', '99 %'],
  ['p95', '95 %'],
  ['median', 'median'],
  ['p10', '10 %'],
  ['p5', '5 %'],
  ['p1', '1 %'],
  ['min', 'least'],
];

function spreadLines(spread: Spread, format: (value: number) => string): string[] {
  return SPREAD.map(([key, name]) => `  ${name.padStart(8)}  ${format(spread[key]).padStart(12)}`);
}

export function choiceText(
  set: string,
  result: ChoiceResult,
  base: (Recovery & { model: string; accuracy: number }) | undefined,
): string {
  const [low, high] = result.interval;
  const lines = [
    `set:            ${set}, ${result.items} items`,
    `speed:          ${speedText(result)}`,
    `accuracy:       ${result.accuracy.toFixed(2)} %, 95 % interval ${low.toFixed(2)} to ${high.toFixed(2)} % (chance ${result.chance.toFixed(0)} %)`,
    `by the sum:     ${result.accuracyBySum.toFixed(2)} %`,
  ];
  if (base) {
    lines.push(
      `base:           ${base.accuracy.toFixed(2)} % (${base.model})`,
      `recovered:      ${base.recovered.toFixed(2)} % of the base's accuracy, the same answer to ${base.sameAnswer.toFixed(2)} %`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function speedText({ evaluated, seconds, tokensPerSecond }: SpeedFields): string {
  return `${tokensPerSecond.toFixed(1)} tok/s, ${evaluated} tokens in ${seconds.toFixed(1)} s`;
}

interface SpeedFields {
  evaluated: number;
  seconds: number;
  tokensPerSecond: number;
}

function plusMinus(value: number, error: number, digits = 6): string {
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}
