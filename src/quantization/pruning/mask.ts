import type { Matrix } from '../../kernels/contract/kernels.ts'
import type { PruningSettings } from './settings.ts'

/** Neighbours of the pattern 2:4, and how many of them become 0. */
const patternWidth = 4
const patternZeros = 2

/** Weights among which the least important ones are chosen. */
type Span = 'matrix' | 'row'

/**
 * The matrix with its least important weights at 0: exactly `floor(sparsity * count)` of every span, the first ones where
 * scores are equal. For `2:4` the span is four neighbours of a row; a shorter rest loses half of its weights, rounded down.
 * `scores`, [rows, columns], are never negative. The weight's own array is not changed.
 */
export function prune(
  weight: Matrix,
  scores: Float32Array<ArrayBuffer>,
  { sparsity }: PruningSettings,
  span: Span,
): Float32Array<ArrayBuffer> {
  const { rows, columns } = weight
  const pruned = weight.data.slice()
  if (sparsity === '2:4') {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column += patternWidth) {
        const width = Math.min(patternWidth, columns - column)
        dropFew(pruned, scores, { start: row * columns + column, width, count: Math.floor((width * patternZeros) / patternWidth) })
      }
    }
    return pruned
  }
  const width = span === 'row' ? columns : rows * columns
  const count = Math.floor((width * sparsity) / 100)
  for (let start = 0; start < pruned.length; start += width) dropMany(pruned, scores, { start, width, count })
  return pruned
}

interface Part {
  readonly start: number
  readonly width: number
  /** Weights that become 0. */
  readonly count: number
}

function dropFew(values: Float32Array, scores: Float32Array, { start, width, count }: Part): void {
  const order = Array.from({ length: width }, (_, i) => start + i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b)
  for (const index of order.slice(0, count)) values[index] = 0
}

/** By the score that `count` weights do not exceed: everything below it, then the first ones that have it. */
function dropMany(values: Float32Array, scores: Float32Array, { start, width, count }: Part): void {
  if (count === 0) return
  const own = scores.subarray(start, start + width)
  const limit = own.slice().sort()[count - 1] ?? 0
  let left = count
  for (let i = 0; i < width; i++) {
    if ((own[i] ?? 0) >= limit) continue
    values[start + i] = 0
    left--
  }
  for (let i = 0; i < width && left > 0; i++) {
    if (own[i] !== limit) continue
    values[start + i] = 0
    left--
  }
}
