/** One conversation: its messages, and what a chat does with them. Knows no model and no file. */
import { UsageError } from '../errors.ts';
import type { ChatMessage } from '../engine/types.ts';

export interface Conversation {
  /** In order, the system prompt first where there is one. Copies: change it through the methods. */
  readonly messages: readonly ChatMessage[];
  /** The system prompt, or undefined. Setting it keeps the other messages; '' is a prompt, undefined is none. */
  system: string | undefined;
  addUser(content: string): void;
  addAssistant(content: string): void;
  /**
   * Takes back the last answer, so that it can be generated again.
   * @returns the answer, or undefined when the last message is not one
   */
  regenerate(): string | undefined;
  /** Forgets everything but the system prompt. */
  clear(): void;
  /**
   * Drops the oldest turn (a user message and what answers it) to make room in the context. The system prompt
   * and the last turn stay.
   * @returns how many messages were dropped; 0 when only the last turn is left
   */
  dropOldest(): number;
}

/** `messages`: an earlier conversation to go on with; only a first message may have the role `system`. */
export function createConversation(messages: readonly ChatMessage[] = []): Conversation {
  let system: string | undefined;
  let turns: ChatMessage[] = [];
  for (const [i, message] of messages.entries()) {
    if (message.role !== 'system') turns.push({ ...message });
    else if (i === 0) system = message.content;
    else throw new UsageError(`messages[${i}]: a system message must be the first`);
  }

  const all = (): ChatMessage[] =>
    system === undefined ? turns : [{ role: 'system', content: system }, ...turns];

  return {
    get messages() {
      return all().map((message) => ({ ...message }));
    },
    get system() {
      return system;
    },
    set system(content) {
      system = content;
    },
    addUser(content) {
      turns.push({ role: 'user', content });
    },
    addAssistant(content) {
      turns.push({ role: 'assistant', content });
    },
    regenerate() {
      return turns.at(-1)?.role === 'assistant' ? turns.pop()!.content : undefined;
    },
    clear() {
      turns = [];
    },
    dropOldest() {
      // The next user message after the first one begins the second turn; without it there is one turn only.
      const next = turns.findIndex((message, i) => i > 0 && message.role === 'user');
      if (next < 0) return 0;
      turns = turns.slice(next);
      return next;
    },
  };
}
