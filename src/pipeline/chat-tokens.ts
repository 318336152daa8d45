import { conversationOf } from '../calibration/conversations.ts'
import { documentsOf } from '../calibration/documents.ts'
import type { TokenizerFiles } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { createChatTemplate } from '../runtime/engines/chat-template.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'

/** Ids of the last text: a plan is made anew on every edit of a recipe, its texts stay. */
const known = new WeakMap<TokenizerFiles, { readonly text: string; readonly conversations: readonly Int32Array[] }>()

/**
 * Each document of a text in the model's chat template, as ids. The template writes every special token, so none is added.
 * Throws `usage` when the model has no template or the template does not take a document, and as `documentsOf`.
 */
export function chatTokens(text: string, tokenizer: Tokenizer, files: TokenizerFiles): readonly Int32Array[] {
  const before = known.get(files)
  if (before?.text === text) return before.conversations
  const { chatTemplate, tokenizerConfig } = files
  if (chatTemplate === null) {
    throw new StudioError('usage', {
      title: 'The chat template cannot be used',
      message: 'This model has no chat template.',
      remedy: 'Calibrate without it.',
    })
  }
  const template = createChatTemplate({ chatTemplate, tokenizerConfig })
  const conversations = documentsOf(text).map((document) => tokenizer.encode(template.render(conversationOf(document))))
  known.set(files, { text, conversations })
  return conversations
}
