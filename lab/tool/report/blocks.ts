/** A report as a list of blocks, and the two forms that it is written in. */
export type Block =
  | { kind: 'title' | 'heading' | 'text'; text: string }
  | { kind: 'list'; items: readonly string[] }
  | { kind: 'table'; columns: readonly string[]; rows: readonly (readonly string[])[] }
  | { kind: 'code'; language: string; text: string }
  /** A drawing: its file beside the report, and what it shows. */
  | { kind: 'image'; file: string; alt: string; svg: string };

const cell = (text: string) => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');

export function toMarkdown(blocks: readonly Block[]): string {
  const parts = blocks.map((block) => {
    switch (block.kind) {
      case 'title':
        return `# ${block.text}`;
      case 'heading':
        return `## ${block.text}`;
      case 'text':
        return block.text;
      case 'list':
        return block.items.map((item) => `- ${item}`).join('\n');
      case 'table': {
        const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
        return [line(block.columns), line(block.columns.map(() => '---')), ...block.rows.map(line)].join(
          '\n',
        );
      }
      case 'code':
        return `${fence(block.text)}${block.language}\n${block.text.trimEnd()}\n${fence(block.text)}`;
      case 'image':
        return `![${block.alt}](${block.file})`;
    }
  });
  return `${parts.join('\n\n')}\n`;
}

/** More backticks in a row than the text has. */
function fence(text: string): string {
  const most = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  return '`'.repeat(most + 1);
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const STYLE = `body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em}pre{background:#f6f6f6;padding:1em;overflow:auto}`;

/** One file: drawings are in it. */
export function toHtml(blocks: readonly Block[]): string {
  const parts = blocks.map((block) => {
    switch (block.kind) {
      case 'title':
        return `<h1>${escape(block.text)}</h1>`;
      case 'heading':
        return `<h2>${escape(block.text)}</h2>`;
      case 'text':
        return `<p>${escape(block.text)}</p>`;
      case 'list':
        return `<ul>${block.items.map((item) => `<li>${escape(item)}</li>`).join('')}</ul>`;
      case 'table': {
        const line = (tag: string, cells: readonly string[]) =>
          `<tr>${cells.map((text) => `<${tag}>${escape(text)}</${tag}>`).join('')}</tr>`;
        return `<table>${line('th', block.columns)}${block.rows.map((row) => line('td', row)).join('')}</table>`;
      }
      case 'code':
        return `<pre>${escape(block.text)}</pre>`;
      case 'image':
        return `<figure>${block.svg}<figcaption>${escape(block.alt)}</figcaption></figure>`;
    }
  });
  const title = blocks.find(({ kind }) => kind === 'title');
  const name = title?.kind === 'title' ? escape(title.text) : 'Report';
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${name}</title><style>${STYLE}</style>\n${parts.join('\n')}\n</html>\n`;
}
