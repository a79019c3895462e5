/**
 * Where the package lies: for files that are found by their place in it, the same from the source (tests) and from
 * the build, which mirrors the repository below dist/.
 */
const BUILT = !import.meta.url.endsWith('.ts');

/** The folder of package.json, with a slash at the end. */
export const PACKAGE_ROOT = new URL(BUILT ? '../../../../' : '../../../', import.meta.url);

/** A built file by the path of its source without ending: workers and child processes run compiled JavaScript. */
export function builtModule(source: string): URL {
  return new URL(`dist/${source}.js`, PACKAGE_ROOT);
}
