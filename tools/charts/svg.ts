/** Vega-Lite specifications as SVG documents, drawn without a browser. */
import type { TopLevelSpec } from 'vega-lite';
import { NibbleError } from '../../src/errors.ts';

/**
 * @throws NibbleError ERR_NO_CHARTS where vega and vega-lite are not installed: large packages, which only drawing
 *   needs, and which the package therefore does not bring
 */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]).catch(
    (error: unknown) => {
      throw new NibbleError('ERR_NO_CHARTS', 'charts need two more packages: npm install vega vega-lite', {
        cause: error,
      });
    },
  );
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
