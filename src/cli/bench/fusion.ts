/** bench --fusion: everything fused, each fusion undone alone, all undone. */
import { FUSIONS, type Fusion } from '../../engine/fusion.ts';
import type { Way } from './compare.ts';

export function fusionWays(): Way[] {
  const names = Object.keys(FUSIONS) as Fusion[];
  return [
    { name: 'all fused', load: { fuse: true } },
    ...names.map((name) => ({
      name: `without ${FUSIONS[name]}`,
      load: { fuse: names.filter((other) => other !== name) },
    })),
    { name: 'nothing fused', load: { fuse: false } },
  ];
}
