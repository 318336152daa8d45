import type { ChatMessage } from '../runtime/chat-template.ts'
import type { TextDocument } from './documents.ts'

/** Asks for nothing in particular, so that the answer may be any text. */
export const neutralRequest = 'Write a text.'

/** A document as a conversation: conversations as they are, a text as the answer to a neutral request. */
export function conversationOf(document: TextDocument): readonly ChatMessage[] {
  if (typeof document !== 'string') return document
  return [
    { role: 'user', content: neutralRequest },
    { role: 'assistant', content: document },
  ]
}
