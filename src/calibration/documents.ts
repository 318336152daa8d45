import { StudioError } from '../core/errors.ts'
import { jsonObject } from '../core/json-object.ts'
import type { ChatMessage } from '../runtime/chat-template.ts'

/** A text, or a conversation. */
export type TextDocument = string | readonly ChatMessage[]

/** A document of plain text takes in paragraphs until it has so many characters: a heading goes with what follows it. */
const fewestCharacters = 256
/** A longer paragraph is several documents: a window takes the beginning of a conversation, the rest would be lost. */
const mostCharacters = 2048
/** Between documents, as in most measurements on WikiText-2 ("\n\n".join). */
const separator = '\n\n'

/** What other names mean in sets whose turns have `from` and `value`. */
const roles: Readonly<Record<string, string>> = { human: 'user', gpt: 'assistant', bot: 'assistant', model: 'assistant' }

/**
 * A value of a data set or of a line of JSON as a document: a string, a list of turns (`role` and `content`, or `from` and
 * `value`), or an object with one of them as `text`, `messages` or `conversations`. `null` for anything else, also for an empty
 * conversation.
 */
export function documentOf(value: unknown): TextDocument | null {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) {
    const messages = value.map(messageOf)
    const known = messages.filter((message) => message !== null)
    return known.length > 0 && known.length === messages.length ? known : null
  }
  if (typeof value !== 'object' || value === null) return null
  const { text, messages, conversations } = value as Readonly<Record<string, unknown>>
  return typeof text === 'string' ? text : documentOf(messages ?? conversations ?? null)
}

function messageOf(turn: unknown): ChatMessage | null {
  if (typeof turn !== 'object' || turn === null) return null
  const { role, content, from, value } = turn as Readonly<Record<string, unknown>>
  const name = typeof role === 'string' ? role : from
  const text = textOfContent(content ?? value)
  return typeof name === 'string' && text !== null ? { role: roles[name] ?? name, content: text } : null
}

/** A string, or the text parts of a list of parts. */
function textOfContent(content: unknown): string | null {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return null
  return content
    .map((part: unknown) => (typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string' ? part.text : ''))
    .join('')
}

/**
 * The documents of a text: one a line where it is JSON lines, else its paragraphs, put together while short and
 * cut where long. Throws
 * `usage` for a text that begins as JSON lines and goes on as something else.
 */
export function documentsOf(text: string): readonly TextDocument[] {
  return jsonDocuments(text) ?? paragraphs(text)
}

/** The text that a model reads without a chat template: JSON lines by what they say, anything else as it is. Throws as `documentsOf`. */
export function plainText(text: string): string {
  const documents = jsonDocuments(text)
  if (documents === null) return text
  return documents.map((one) => (typeof one === 'string' ? one : one.map(({ content }) => content).join(separator))).join(separator)
}

/** Documents as one text that `documentsOf` and `plainText` read: texts joined, conversations as JSON lines. */
export function joinDocuments(documents: readonly TextDocument[]): string {
  const texts = documents.filter((one) => typeof one === 'string')
  if (texts.length === documents.length) return texts.join(separator)
  return documents.map((one) => JSON.stringify(typeof one === 'string' ? { text: one } : { messages: one })).join('\n')
}

/** `null` for a text that does not begin with a document as JSON. */
function jsonDocuments(text: string): readonly TextDocument[] | null {
  if (!text.trimStart().startsWith('{')) return null
  const lines = text.split('\n').map((line, index) => ({ line, number: index + 1 }))
  const documents: TextDocument[] = []
  for (const { line, number } of lines) {
    if (line.trim() === '') continue
    const document = documentOf(jsonObject(line))
    if (document !== null) documents.push(document)
    else if (documents.length === 0) return null
    else throw brokenLine(number)
  }
  return documents
}

function brokenLine(number: number): StudioError {
  return new StudioError('usage', {
    title: 'A line of the text is not a document',
    message: `The text is JSON lines, but line ${number} has neither "text" nor "messages" in an object.`,
    remedy: 'Correct that line, or use plain text.',
    details: { line: number },
  })
}

function paragraphs(text: string): string[] {
  const documents: string[] = []
  let held = ''
  // What stands between two paragraphs stays: a document is a stretch of the text as it is.
  const [first = '', ...rest] = text.split(/(\n[ \t\r]*\n\s*)/)
  for (const [index, piece] of [first.trimStart(), ...rest].entries()) {
    const isBetween = index % 2 === 1
    if (isBetween) {
      if (held !== '') held += piece
      continue
    }
    for (const part of cut(piece)) {
      held += part
      if (held.length < fewestCharacters) continue
      documents.push(held.trimEnd())
      held = ''
    }
  }
  const last = held.trimEnd()
  return last === '' ? documents : [...documents, last]
}

/** A text in parts of at most so many characters, cut where a line or a word ends; none of an empty one. */
function cut(text: string): string[] {
  const parts: string[] = []
  let rest = text
  while (rest.length > mostCharacters) {
    const line = rest.lastIndexOf('\n', mostCharacters)
    const word = rest.lastIndexOf(' ', mostCharacters)
    const end = line > 0 ? line : word > 0 ? word : mostCharacters
    parts.push(rest.slice(0, end).trim())
    rest = rest.slice(end).trim()
  }
  return rest === '' ? parts : [...parts, rest]
}
