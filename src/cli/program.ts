/** The commands as one commander program. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { PACKAGE_ROOT } from '../platform/node/package-root.ts';
import type { CliContext } from './context.ts';
import { addBench } from './commands/bench.ts';
import { addChat } from './commands/chat.ts';
import { addClassify } from './commands/classify.ts';
import { addConvert } from './commands/convert.ts';
import { addDetokenize } from './commands/detokenize.ts';
import { addEmbed } from './commands/embed.ts';
import { addGenerate } from './commands/generate.ts';
import { addImatrix } from './commands/imatrix.ts';
import { addInspect } from './commands/inspect.ts';
import { addLab } from './commands/lab.ts';
import { addList } from './commands/list.ts';
import { addLogits } from './commands/logits.ts';
import { addPerplexity } from './commands/perplexity.ts';
import { addPull } from './commands/pull.ts';
import { addReport } from './commands/report.ts';
import { addRemove } from './commands/rm.ts';
import { addQuantize } from './commands/quantize.ts';
import { addTokenize } from './commands/tokenize.ts';

const COMMANDS = [
  addChat,
  addGenerate,
  addTokenize,
  addDetokenize,
  addLogits,
  addPerplexity,
  addEmbed,
  addClassify,
  addBench,
  addQuantize,
  addImatrix,
  addReport,
  addPull,
  addList,
  addRemove,
  addConvert,
  addInspect,
  addLab,
];

export function createProgram(context: CliContext): Command {
  const program = new Command('nibble')
    .description('Runs GGUF language models on CPUs in pure TypeScript and WebAssembly.')
    .version(version(), '-V, --version')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) =>
        write(
          `nibble: ${text
            .replace(/^error: /, '')
            .trim()
            .replace(/\n/g, ' ')}\n`,
        ),
    })
    .addHelpText('after', '\nExample:\n  nibble chat\n  nibble chat qwen3-0.6b INT8\n  nibble chat --help');
  for (const add of COMMANDS) add(program, context);
  return program;
}

function version(): string {
  const file = readFileSync(new URL('package.json', PACKAGE_ROOT), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
