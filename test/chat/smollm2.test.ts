/** The template of a real file, against its renderings by the reference. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/engine/types.ts';
import { createChatTemplate } from '../../src/chat/index.ts';

interface Fixture {
  template: string;
  bos_token: string;
  eos_token: string;
  chat: { messages: ChatMessage[]; rendered: string; rendered_no_generation_prompt: string }[];
}

const path = new URL('../fixtures/chat/smollm2.json', import.meta.url);
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;

describe('the chat template of SmolLM2', () => {
  const template = createChatTemplate(fixture.template, {
    bosToken: fixture.bos_token,
    eosToken: fixture.eos_token,
  });
  test.each(fixture.chat)('case %#', ({ messages, rendered, rendered_no_generation_prompt }) => {
    expect(template.render(messages)).toBe(rendered);
    expect(template.render(messages, { addGenerationPrompt: false })).toBe(rendered_no_generation_prompt);
  });
  test('has as many cases as the oracle', () => expect(fixture.chat).toHaveLength(6));
});
