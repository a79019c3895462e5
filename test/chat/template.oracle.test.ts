/** All rendered conversations of the oracle; NIBBLE_ORACLE names its directory. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/engine/types.ts';
import { createChatTemplate } from '../../src/chat/index.ts';

const oracle = process.env['NIBBLE_ORACLE'];

interface ChatCase {
  messages: ChatMessage[];
  add_generation_prompt: boolean;
  rendered: string;
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

/** transformers 4 keeps the template in tokenizer_config.json, transformers 5 in a file of its own. */
function templateOf(directory: string, config: Record<string, unknown>): string {
  const own = `${directory}/chat_template.jinja`;
  return existsSync(own) ? readFileSync(own, 'utf8') : String(config['chat_template']);
}

if (!oracle) {
  test.skip('chat templates against the oracle: NIBBLE_ORACLE is not set', () => undefined);
} else {
  describe('chat templates against transformers', () => {
    for (const name of readdirSync(`${oracle}/hf`)) {
      const directory = `${oracle}/hf/${name}`;
      const cases = (readJson(`${directory}/golden.json`)['chat'] ?? []) as ChatCase[];
      if (cases.length === 0) continue;
      test(`${name}: ${cases.length} renderings`, () => {
        const config = readJson(`${directory}/tokenizer_config.json`);
        const template = createChatTemplate(templateOf(directory, config), {
          bosToken: String(config['bos_token'] ?? ''),
          eosToken: String(config['eos_token'] ?? ''),
        });
        for (const { messages, add_generation_prompt: addGenerationPrompt, rendered } of cases) {
          expect(template.render(messages, { addGenerationPrompt })).toBe(rendered);
        }
      });
    }
    test('the SmolLM2 fixture holds the oracle’s cases', () => {
      const path = new URL('../fixtures/chat/smollm2.json', import.meta.url);
      const fixture = JSON.parse(readFileSync(path, 'utf8')) as { chat: object[] };
      const golden = readJson(`${oracle}/smollm2/golden.json`)['chat'] as object[];
      expect(golden).toMatchObject(fixture.chat);
    });
  });
}
