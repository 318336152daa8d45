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
  if (ids.length === 0) {
    throw new StudioError('text-too-short', {
      title: 'The calibration text is empty',
      message: 'The calibration text gives no tokens, so nothing can be learned from it.',
      remedy: 'Use the bundled text.',
      details: { tokens: 0 },
    })
  }
  const fresh = Math.max(bos === null ? contextLength : contextLength - 1, 1)
  const available = Math.max(Math.floor(ids.length / fresh), 1)
  const wanted = Math.min(available, Math.max(Math.floor(maxTokens / contextLength), 1))
  return drawSorted(available, wanted, seed).map((index) => {
    const part = ids.subarray(index * fresh, (index + 1) * fresh)
    return bos === null ? Int32Array.from(part) : Int32Array.of(bos, ...part)
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
