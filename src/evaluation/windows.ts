import { StudioError } from '../core/errors.ts'
import type { ProtocolId } from './result.ts'

export interface WindowOptions {
  readonly protocol: ProtocolId
  /** Tokens a window, the beginning-of-sequence token included. */
  readonly contextLength: number
  /** Upper bound on tokens that are run through the model; `null` for all. */
  readonly maxTokens: number | null
  /** Id that the tokenizer puts in front, `null` when it adds none. */
  readonly bos: number | null
}

/** Token windows of one length, independent of each other, and which of their tokens count. */
export interface WindowSet {
  readonly protocol: ProtocolId
  readonly contextLength: number
  readonly windows: readonly Int32Array<ArrayBuffer>[]
  /** First position of a window whose *prediction* is scored; all later ones but the last are too. */
  readonly firstScored: number
  readonly scoredPerWindow: number
  /** Over all windows. */
  readonly scoredTokens: number
  /** Tokens run through the model. */
  readonly tokens: number
}

/** Fewer could not tell an uncertainty. */
const fewestWindows = 2

/**
 * Cuts a text's ids (without special tokens) into windows.
 *
 * `windows`: beginning-of-sequence token and contextLength - 1 tokens each, no overlap, a short tail dropped, every token
 * after the first scored; a tokenizer without that token gives contextLength tokens instead.
 *
 * `llama.cpp`: what its perplexity tool does. The stream starts with the beginning-of-sequence token; it is cut into chunks
 * of contextLength, the first token of each is replaced by that token, and predictions from position contextLength / 2 on
 * are scored, so that every scored token has at least half a window before it.
 *
 * Throws `StudioError`: `text-too-short` for fewer than two windows, `usage` for a token limit below that.
 */
export function makeWindows(ids: Int32Array, options: WindowOptions): WindowSet {
  const { protocol, contextLength, maxTokens, bos } = options
  if (!Number.isInteger(contextLength) || contextLength < 2) throw invalidContext(contextLength)
  const available = protocol === 'windows' ? plainWindows(ids, contextLength, bos) : llamaCppChunks(ids, contextLength, bos)
  if (available.length < fewestWindows) throw tooShort(contextLength, ids.length)
  const limit = maxTokens === null ? available.length : Math.floor(maxTokens / contextLength)
  if (limit < fewestWindows) throw limitTooLow(contextLength, maxTokens ?? 0)
  const windows = available.slice(0, limit)
  const firstScored = protocol === 'windows' ? 0 : Math.floor(contextLength / 2)
  const scoredPerWindow = contextLength - 1 - firstScored
  return {
    protocol,
    contextLength,
    windows,
    firstScored,
    scoredPerWindow,
    scoredTokens: windows.length * scoredPerWindow,
    tokens: windows.length * contextLength,
  }
}

/** The token that follows each position of a window, -1 where the prediction is not scored. */
export function targetsOf({ firstScored }: Pick<WindowSet, 'firstScored'>, window: Int32Array): Int32Array<ArrayBuffer> {
  const targets = new Int32Array(window.length).fill(-1)
  for (let position = firstScored; position < window.length - 1; position++) targets[position] = window[position + 1] ?? -1
  return targets
}

function plainWindows(ids: Int32Array, contextLength: number, bos: number | null): readonly Int32Array<ArrayBuffer>[] {
  const fresh = bos === null ? contextLength : contextLength - 1
  return Array.from({ length: Math.floor(ids.length / fresh) }, (_, index) => {
    const part = ids.subarray(index * fresh, (index + 1) * fresh)
    return bos === null ? Int32Array.from(part) : Int32Array.of(bos, ...part)
  })
}

function llamaCppChunks(ids: Int32Array, contextLength: number, bos: number | null): readonly Int32Array<ArrayBuffer>[] {
  const marks = bos === null ? 0 : 1
  return Array.from({ length: Math.floor((ids.length + marks) / contextLength) }, (_, index) => {
    const start = index * contextLength - marks
    if (bos === null) return Int32Array.from(ids.subarray(start, start + contextLength))
    return Int32Array.of(bos, ...ids.subarray(start + 1, start + contextLength))
  })
}

function tooShort(contextLength: number, tokens: number): StudioError {
  return new StudioError('text-too-short', {
    title: 'The text is too short to measure',
    message: `At least ${String(fewestWindows)} windows of ${String(contextLength)} tokens are needed; this text has ${String(tokens)} ${tokens === 1 ? 'token' : 'tokens'}.`,
    remedy: 'Use the bundled text, a longer one, or a shorter context.',
    details: { contextLength, tokens },
  })
}

function limitTooLow(contextLength: number, maxTokens: number): StudioError {
  return new StudioError('usage', {
    title: 'The token limit is too low to measure',
    message: `At least ${String(fewestWindows)} windows of ${String(contextLength)} tokens are needed; the limit is ${String(maxTokens)} tokens.`,
    remedy: `Allow at least ${String(fewestWindows * contextLength)} tokens, or choose a shorter context.`,
    details: { contextLength, maxTokens },
  })
}

function invalidContext(contextLength: number): StudioError {
  return new StudioError('usage', {
    title: 'The context length cannot be used',
    message: `A window must be a whole number of tokens, at least 2; ${String(contextLength)} was given.`,
    remedy: 'Give a context length such as 256 or 512.',
    details: { contextLength },
  })
}
