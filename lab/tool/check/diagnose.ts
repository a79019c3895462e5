/** Wrong results, and the mistake that is likely behind them. */
import { TOLERANCE, type Problem } from '../problems/index.ts';
import { Fault } from './trial.ts';

/** Not within rounding of what it should be; NaN is right where NaN is due, and nowhere else. */
function wrong(actual: number, expected: number, magnitude: number): boolean {
  if (Number.isNaN(expected)) return !Number.isNaN(actual);
  return !(Math.abs(actual - expected) <= TOLERANCE * magnitude + 1e-30);
}

function indices(problem: Problem, actual: Float32Array, expected: Float64Array): number[] {
  const found: number[] = [];
  actual.forEach((value, i) => {
    if (wrong(value, expected[i]!, problem.magnitude[i]!)) found.push(i);
  });
  return found;
}

/** @throws Fault that says which outputs are wrong and, where it can be told, why */
export function checkResults(problem: Problem, actual: Float32Array, untouched: readonly boolean[]): void {
  const bad = indices(problem, actual, problem.expected);
  if (bad.length === 0) return;
  const where = describe(problem, bad);
  const left = bad.filter((i) => untouched[i]);
  if (left.length > 0) {
    throw new Fault(
      `${describe(problem, left)} never written: off by one at the end of a loop, or a remainder that is forgotten?`,
    );
  }
  if (problem.values === 'nan') {
    throw new Fault(
      `activations that are not a number must make the output NaN, or damage goes unseen: ${where} a number`,
    );
  }
  const cause = likelyCause(problem, actual);
  const first = bad[0]!;
  const got = `${where} wrong (${problem.values} values): the first is ${actual[first]!.toPrecision(6)} instead of ${problem.expected[first]!.toPrecision(6)}`;
  throw new Fault(cause ? `${got}. ${cause}` : got);
}

function likelyCause(problem: Problem, actual: Float32Array): string | undefined {
  for (const { when, hint, output } of problem.mistakes) {
    const expected = output();
    // A mistake that changes nothing on this problem explains nothing.
    if (indices(problem, Float32Array.from(expected), problem.expected).length === 0) continue;
    if (indices(problem, actual, expected).length === 0)
      return `This is what comes out when ${when}: ${hint}`;
  }
  const { rows, tokens, expected } = problem;
  const shifted = (by: number) =>
    Float64Array.from(expected, (_, i) => expected[Math.min(Math.max(i + by, 0), rows * tokens - 1)]!);
  const inner = (other: Float64Array) =>
    indices(problem, actual, other).filter((i) => i % rows > 0 && i % rows < rows - 1).length === 0;
  if (rows > 2 && (inner(shifted(1)) || inner(shifted(-1)))) {
    return 'Each result stands one row beside its place: off by one in the row, or in where it is stored';
  }
  if (tokens > 1) {
    const firstToken = Float64Array.from(expected, (_, i) => expected[i % rows]!);
    if (indices(problem, actual, firstToken).length === 0)
      return "All tokens have the first one's result: the activations' address must move with the token";
  }
  if (problem.values === 'extreme')
    return 'Only the largest values go wrong: a sum that does not fit in its 16 bits?';
  return undefined;
}

/** `row 31 of token 0 is`, `8 of 64 outputs (rows 7, 15, 23, ..) are`. */
function describe({ rows, tokens }: Problem, bad: readonly number[]): string {
  const first = bad[0]!;
  const token = tokens > 1 ? ` of token ${Math.floor(first / rows)}` : '';
  if (bad.length === 1) return `row ${first % rows}${token} is`;
  if (bad.length === rows * tokens) return `all ${bad.length} outputs are`;
  const all = [...new Set(bad.map((i) => i % rows))];
  const list = `${all.slice(0, 4).join(', ')}${all.length > 4 ? ', ..' : ''}`;
  return `${bad.length} of ${rows * tokens} outputs (rows ${list}) are`;
}
