/** Vega-Lite specifications as SVG documents, drawn without a browser. */
import type { TopLevelSpec } from 'vega-lite';
import { missingPackages } from './packages.ts';

/** @throws NibbleError ERR_NO_CHARTS where vega and vega-lite are not installed */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]).catch(
    (error: unknown) => {
      throw missingPackages('charts', ['vega', 'vega-lite'], error);
    },
  );
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
