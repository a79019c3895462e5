/** Chat: templates, conversations, reasoning. Text only; the engine does the rest. */
export {
  CHATML_TEMPLATE,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ChosenTemplate,
  type RenderOptions,
  chooseTemplate,
  createChatTemplate,
  specialTokenTexts,
} from './template.ts';
export { addedText, commonPrefix, encodePrompt } from './prompt.ts';
export {
  type ReasoningOptions,
  type ReasoningPart,
  type ReasoningSplitter,
  createReasoningSplitter,
  opensThinking,
  stripReasoning,
} from './reasoning.ts';
export { type Conversation, createConversation } from './conversation.ts';
export {
  type LoadedConversation,
  type SavedConversation,
  loadConversation,
  saveConversation,
} from './conversation-file.ts';
export type { ChatMessage } from '../engine/types.ts';
