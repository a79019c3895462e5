/** Conversations as JSON: versioned, and checked field by field, since a file may be anything. */
import { UsageError } from '../errors.ts';
import type { ChatMessage } from '../engine/types.ts';
import { type Conversation, createConversation } from './conversation.ts';

const FORMAT = 'nibble-conversation';
const VERSION = 1;
const MAX_CHARS = 64 * 1024 * 1024;
const MAX_MESSAGES = 100_000;

export interface SavedConversation {
  format: typeof FORMAT;
  version: typeof VERSION;
  /** The model it was held with, for information only. */
  model?: string;
  messages: ChatMessage[];
}

export function saveConversation(conversation: Conversation, model?: string): string {
  const saved: SavedConversation = {
    format: FORMAT,
    version: VERSION,
    ...(model === undefined ? {} : { model }),
    messages: conversation.messages.map((message) => ({ ...message })),
  };
  return JSON.stringify(saved, undefined, 2) + '\n';
}

export interface LoadedConversation {
  conversation: Conversation;
  model: string | undefined;
}

/**
 * @param text what saveConversation wrote
 * @param name the file, for messages
 * @throws UsageError naming the file and the field at fault
 */
export function loadConversation(text: string, name = 'the file'): LoadedConversation {
  const fail = (reason: string, cause?: unknown): never => {
    throw new UsageError(`${name} is not a saved conversation: ${reason}`, { cause });
  };
  if (text.length > MAX_CHARS) fail(`it is longer than ${MAX_CHARS} characters`);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    fail(`it is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  if (!isRecord(data)) return fail('it is not a JSON object');
  if (data['format'] !== FORMAT) fail(`"format" is not "${FORMAT}"`);
  if (data['version'] !== VERSION) {
    fail(`"version" is ${JSON.stringify(data['version'])}, and this nibble reads version ${VERSION}`);
  }
  const { model, messages } = data;
  if (model !== undefined && typeof model !== 'string') fail('"model" is not a string');
  if (!Array.isArray(messages)) return fail('"messages" is not a list');
  if (messages.length > MAX_MESSAGES) fail(`it has more than ${MAX_MESSAGES} messages`);
  const checked = messages.map((message: unknown, i): ChatMessage => {
    if (!isRecord(message)) return fail(`messages[${i}] is not an object`);
    const { role, content } = message;
    if (typeof role !== 'string' || role === '') return fail(`messages[${i}].role is not a name`);
    if (typeof content !== 'string') return fail(`messages[${i}].content is not a string`);
    if (role === 'system' && i > 0) fail(`messages[${i}] is a system message, which must be the first`);
    return { role, content }; // only these two: whatever else the file holds stays there
  });
  return {
    conversation: createConversation(checked),
    model: typeof model === 'string' ? model : undefined,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
