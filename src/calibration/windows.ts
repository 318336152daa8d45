import { StudioError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'

export interface CalibrationOptions {
  /** Tokens a window, the beginning-of-sequence token included. */
  readonly contextLength: number
  /** Upper bound on tokens; at least one window is always given. */
  readonly maxTokens: number
  readonly bos: number | null
  readonly seed: number
}

/**
 * Windows for calibration: the text is cut without overlap and as many pieces as the limit allows are drawn by the seed,
 * kept in text order. A text shorter than one window gives one short window. Throws `text-too-short` for an empty text.
 */
export function calibrationWindows(ids: Int32Array, options: CalibrationOptions): readonly Int32Array<ArrayBuffer>[] {
  const { contextLength, maxTokens, bos, seed } = options
  if (ids.length === 0) throw emptyText()
  const fresh = Math.max(bos === null ? contextLength : contextLength - 1, 1)
  const available = Math.max(Math.floor(ids.length / fresh), 1)
  const wanted = Math.min(available, Math.max(Math.floor(maxTokens / contextLength), 1))
  return drawSorted(available, wanted, seed).map((index) => {
    const part = ids.subarray(index * fresh, (index + 1) * fresh)
    return bos === null ? Int32Array.from(part) : Int32Array.of(bos, ...part)
  })
}

/**
 * Windows of conversations that a chat template has written, special tokens and all: each begins where a conversation begins,
 * takes in the following ones until it is full, and leaves the rest of the last. As many as the limit allows are drawn by the
 * seed, kept in text order. Conversations that do not fill one window give one short window. Throws `text-too-short` for none.
 */
export function conversationWindows(
  conversations: readonly Int32Array[],
  { contextLength, maxTokens, seed }: Omit<CalibrationOptions, 'bos'>,
): readonly Int32Array<ArrayBuffer>[] {
  const windows: Int32Array<ArrayBuffer>[] = []
  const window = new Int32Array(contextLength)
  let filled = 0
  for (const ids of conversations) {
    const taken = ids.subarray(0, contextLength - filled)
    window.set(taken, filled)
    filled += taken.length
    if (filled < contextLength) continue
    windows.push(window.slice())
    filled = 0
  }
  if (windows.length === 0) {
    if (filled === 0) throw emptyText()
    return [window.slice(0, filled)]
  }
  const wanted = Math.min(windows.length, Math.max(Math.floor(maxTokens / contextLength), 1))
  return drawSorted(windows.length, wanted, seed).flatMap((index) => windows[index] ?? [])
}

function emptyText(): StudioError {
  return new StudioError('text-too-short', {
    title: 'The calibration text is empty',
    message: 'The calibration text gives no tokens, so nothing can be learned from it.',
    remedy: 'Use the bundled text.',
    details: { tokens: 0 },
  })
}

/** `wanted` different numbers of [0, available), in rising order (Fisher and Yates, stopped early). */
function drawSorted(available: number, wanted: number, seed: number): readonly number[] {
  const random = createRandom(seed)
  const order = Array.from({ length: available }, (_, index) => index)
  for (let index = 0; index < wanted; index++) {
    const other = index + Math.floor(random.next() * (available - index))
    const kept = order[index] ?? 0
    order[index] = order[other] ?? 0
    order[other] = kept
  }
  return order.slice(0, wanted).sort((a, b) => a - b)
}
