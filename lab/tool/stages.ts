/** The stages of the course: one row each. What they ask for is in their README, what they are given in lab/kit. */
import { UsageError } from '../../src/errors.ts';

/** How a stage's weights lie in memory: lab/kit/q4-rows.ts, q4-groups.ts and int8.ts. */
export type Layout = 'rows' | 'groups' | 'int8';

export interface Stage {
  /** Folder, file name and argument of the commands. */
  id: string;
  title: string;
  layout: Layout;
  /** `one`: a single worker does all; `all`: the kernel divides the rows among its workers. */
  workers: 'one' | 'all';
  /** Tokens in a call that is timed. */
  tokens: number;
  /** The stage that its speed-up is counted from; undefined for a reference. */
  previous?: string;
  /** A reference is given: there is nothing to write. */
  given?: boolean;
  /** Beat the engine's kernel instead of reaching a ratio. */
  opponent?: 'nibble';
}

function stage(
  id: string,
  title: string,
  layout: Layout,
  workers: Stage['workers'],
  more: Partial<Stage> = {},
): Stage {
  return { id, title, layout, workers, tokens: 1, ...more };
}

export const STAGES: readonly Stage[] = [
  stage('00-reference', 'the plainest kernel', 'rows', 'one', { given: true }),
  stage('01-loop-unrolling', 'several rows and accumulators', 'rows', 'one', { previous: '00-reference' }),
  stage('02-multithreading', 'rows divided among workers', 'rows', 'all', { previous: '00-reference' }),
  stage('03-simd', 'vectors of 128 bits', 'rows', 'one', { previous: '00-reference' }),
  stage('04-unroll-multithread', 'unrolled, on all workers', 'rows', 'all', {
    previous: '02-multithreading',
  }),
  stage('05-memory-layout', 'rows interleaved by eight', 'groups', 'one', { previous: '03-simd' }),
  stage('06-dot-product', 'sixteen multiplications at once', 'groups', 'one', {
    previous: '05-memory-layout',
  }),
  stage('07-all-techniques', 'everything together', 'groups', 'all', { previous: '06-dot-product' }),
  stage('08-prefill-tiling', 'many tokens: unpack once', 'groups', 'all', {
    previous: '07-all-techniques',
    tokens: 32,
  }),
  stage('09-beat-nibble', "against the engine's kernel", 'groups', 'one', {
    previous: '06-dot-product',
    opponent: 'nibble',
  }),
  stage('w8a8-00-reference', '8-bit weights, plain', 'int8', 'one', { given: true }),
  stage('w8a8-01-loop-unrolling', '8-bit, several rows', 'int8', 'one', { previous: 'w8a8-00-reference' }),
  stage('w8a8-02-multithreading', '8-bit, on all workers', 'int8', 'all', { previous: 'w8a8-00-reference' }),
  stage('w8a8-03-simd', '8-bit, vectors of 128 bits', 'int8', 'one', { previous: 'w8a8-00-reference' }),
];

/** The stage that every speed of a track is a ratio to. */
export function referenceOf({ layout }: Stage): Stage {
  return stageOf(layout === 'int8' ? 'w8a8-00-reference' : '00-reference');
}

/**
 * The stage with this name, or the only one that begins with it: `03`, `w8a8-01`.
 *
 * @throws UsageError that lists the stages
 */
export function stageOf(name: string): Stage {
  const found = STAGES.find(({ id }) => id === name);
  if (found) return found;
  const near = STAGES.filter(({ id }) => id.startsWith(name));
  if (near.length === 1 && name !== '') return near[0]!;
  throw new UsageError(`there is no stage "${name}": use one of ${STAGES.map(({ id }) => id).join(', ')}`);
}
