/** The commands of a chat: a table of name, help and what it does. */
import { loadConversation, saveConversation } from '../../chat/index.ts';
import { UsageError } from '../../errors.ts';
import { readText } from '../input.ts';
import { writeOutput } from '../output.ts';
import { SAMPLING, setSampling } from '../sampling-options.ts';
import { bytesText, countText, durationText, numberText } from '../text.ts';
import { draftText } from '../timings.ts';
import type { ChatSession } from './session.ts';

/** What the chat does after a command. */
export type SlashResult = 'continue' | 'exit' | 'regenerate';

export interface SlashContext {
  session: ChatSession;
  say(text: string): void;
}

interface SlashCommand {
  name: string;
  argument?: string;
  help: string;
  run(context: SlashContext, argument: string): SlashResult | Promise<SlashResult>;
}

const COMMANDS: readonly SlashCommand[] = [
  {
    name: 'help',
    help: 'this list',
    run({ say }) {
      const usage = COMMANDS.map(({ name, argument, help }) => {
        const left = `/${name}${argument ? ` ${argument}` : ''}`;
        return `  ${left.padEnd(20)}${help}`;
      });
      say(
        [
          ...usage,
          '  """                 begins and ends a message of several lines',
          '  Ctrl-C              stops the answer; twice leaves',
        ].join('\n'),
      );
      return 'continue';
    },
  },
  {
    name: 'clear',
    help: 'forget the conversation; the system prompt stays',
    run({ session, say }) {
      session.clear();
      say('The conversation is empty.');
      return 'continue';
    },
  },
  {
    name: 'system',
    argument: '[TEXT]',
    help: 'set the system prompt; without a text show it; `/system -` removes it',
    run({ session, say }, text) {
      if (text === '') say(session.conversation.system ?? 'There is no system prompt.');
      else {
        session.conversation.system = text === '-' ? undefined : text;
        say(text === '-' ? 'The system prompt is gone.' : 'The system prompt is set.');
      }
      return 'continue';
    },
  },
  { name: 'set', argument: '[NAME VALUE]', help: 'change a sampling setting, or show all', run: runSet },
  {
    name: 'stats',
    help: 'the model, the context, the last answer',
    run({ session, say }) {
      say(statsText(session));
      return 'continue';
    },
  },
  {
    name: 'save',
    argument: 'FILE',
    help: 'write the conversation as JSON',
    async run({ session, say }, file): Promise<SlashResult> {
      const path = needed(file, '/save FILE');
      const text = saveConversation(session.conversation, session.model.info.name);
      await writeOutput(path, text);
      say(`Saved ${countText(session.conversation.messages.length, 'message')} to ${path}.`);
      return 'continue';
    },
  },
  {
    name: 'load',
    argument: 'FILE',
    help: 'go on with a saved conversation',
    async run({ session, say }, file): Promise<SlashResult> {
      const path = needed(file, '/load FILE');
      const { conversation } = loadConversation(await readText(path), path);
      session.clear();
      session.conversation = conversation;
      say(`Loaded ${countText(conversation.messages.length, 'message')} from ${path}.`);
      return 'continue';
    },
  },
  {
    name: 'regen',
    help: 'answer the last message again',
    run({ session, say }) {
      if (session.conversation.regenerate() === undefined) {
        say('There is no answer yet.');
        return 'continue';
      }
      // With a fixed seed the same answer would come again.
      const { seed } = session.options;
      if (seed !== undefined) session.options.seed = seed + 1;
      return 'regenerate';
    },
  },
  { name: 'exit', help: 'leave (also /quit, /bye, Ctrl-D)', run: () => 'exit' },
];

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['quit', 'exit'],
  ['bye', 'exit'],
  ['?', 'help'],
]);

/** Runs a line that begins with a slash. Throws what the command throws: the chat shows it and goes on. */
export async function runSlash(context: SlashContext, line: string): Promise<SlashResult> {
  const [, word = '', argument = ''] = /^\/(\S*)\s*(.*)$/s.exec(line.trim()) ?? [];
  const name = ALIASES.get(word.toLowerCase()) ?? word.toLowerCase();
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) throw new UsageError(`there is no command /${word}: /help lists them`);
  return command.run(context, argument.trim());
}

function needed(argument: string, usage: string): string {
  if (argument === '') throw new UsageError(`the file is missing: ${usage}`);
  return argument;
}

function runSet({ session, say }: SlashContext, argument: string): SlashResult {
  const [name = '', value] = argument.split(/[\s=]+/);
  if (name === '') {
    const row = ({ name, key, text, default: fallback }: (typeof SAMPLING)[number]): string =>
      `  ${name.padEnd(20)}${String(session.options[key] ?? fallback ?? '').padEnd(8)}${text}`;
    say(SAMPLING.map(row).join('\n'));
    return 'continue';
  }
  const setting = SAMPLING.find((candidate) => candidate.name === name || candidate.key === name);
  if (!setting) throw new UsageError(`there is no setting ${name}: /set lists them`);
  if (value === undefined) throw new UsageError(`the value is missing: /set ${name} VALUE`);
  let parsed: number;
  try {
    parsed = setting.parse(value);
  } catch (error) {
    throw new UsageError(`${name} cannot be ${value}. ${(error as Error).message}`, { cause: error });
  }
  setSampling(session.options, setting.key, parsed);
  say(`${setting.name} is ${value}.`);
  return 'continue';
}

function statsText(session: ChatSession): string {
  const { info } = session.model;
  const turn = session.lastTurn;
  const lines = [
    `model       ${info.name}, ${info.architecture}, ${info.fileType}, ${bytesText(info.fileBytes)}`,
    `kernels     ${info.variant}, ${countText(info.threads, 'thread')}, activations ${info.activations}`,
    `context     ${session.contextUsed} of ${info.contextSize} (${info.kvType}); trained for ${info.trainedContext}`,
    `memory      ${bytesText(info.memoryBytes)}, loaded in ${durationText(info.loadMs)}`,
    `messages    ${session.conversation.messages.length}`,
  ];
  if (turn) {
    const { timings } = turn;
    lines.push(
      `last turn   prompt ${timings.promptTokens} tokens (${timings.reusedTokens} from the cache), ` +
        `${numberText(timings.prefillTokensPerSecond)} tok/s; answer ${timings.generatedTokens} tokens, ` +
        `${numberText(timings.decodeTokensPerSecond)} tok/s; ended by ${turn.reason}`,
    );
    if (session.options.speculation) {
      lines.push(`speculation ${draftText(timings) || 'nothing to propose'}`);
    }
  }
  return lines.map((line) => `  ${line}`).join('\n');
}
