/** SVG documents as PNG images, without native code. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Resvg } from '@resvg/resvg-wasm';
import { missingPackages } from './packages.ts';

/** Pixels for each unit of the drawing: sharp on screens of twice the usual density, and in print. */
const ZOOM = 2;
/** The renderer knows no font: without one there is no text in the picture. */
const FAMILY = 'DejaVu Sans';
const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];

interface Renderer {
  Drawing: typeof Resvg;
  fontBuffers: Uint8Array[];
}

let renderer: Promise<Renderer> | undefined;

/** @throws NibbleError ERR_NO_CHARTS where the renderer or its font is not installed */
export async function renderPng(svg: string): Promise<Uint8Array> {
  const { Drawing, fontBuffers } = await (renderer ??= load());
  const drawing = new Drawing(svg, {
    background: 'white',
    fitTo: { mode: 'zoom', value: ZOOM },
    font: { fontBuffers, defaultFontFamily: FAMILY, sansSerifFamily: FAMILY },
  });
  const image = drawing.render();
  try {
    return image.asPng();
  } finally {
    image.free();
    drawing.free();
  }
}

/** Once for a process: the module must not be initialized twice. */
async function load(): Promise<Renderer> {
  try {
    const { Resvg: Drawing, initWasm } = await import('@resvg/resvg-wasm');
    const { resolve } = createRequire(import.meta.url);
    const [wasm, ...fontBuffers] = await Promise.all(
      ['@resvg/resvg-wasm/index_bg.wasm', ...FONTS.map((name) => `dejavu-fonts-ttf/ttf/${name}`)].map(
        (path) => readFile(resolve(path)),
      ),
    );
    await initWasm(wasm!);
    return { Drawing, fontBuffers };
  } catch (error) {
    throw missingPackages('PNG files', ['@resvg/resvg-wasm', 'dejavu-fonts-ttf'], error);
  }
}
