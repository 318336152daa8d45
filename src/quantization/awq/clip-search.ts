import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { differenceOf, divideColumns, scaledSquares } from '../scaling/scaled-block.ts'
import type { LinearGrid, TapInputs } from '../transform.ts'

type Floats = Float32Array<ArrayBuffer>

/** AutoAWQ's `n_grid` and `max_shrink`: ranges are 1, 19/20 ... 11/20 of the largest weight. */
const points = 20
const mostShrink = 0.5

/**
 * AWQ's clip search (AutoAWQ `_search_best_clip`): for each group of a row the range whose loss is least, and the weights
 * clamped to it. The loss of a group is e G e^T with G of the group's columns alone: what AutoAWQ measures on 512 tokens,
 * here on all of them.
 *
 * `scales`: what inputs of the linear are divided by, which `inputs` do not know of yet; `null` for none.
 */
export async function clipRanges(
  weight: Matrix,
  { grid, inputs, scales, rangeColumns }: { grid: LinearGrid; inputs: TapInputs; scales: Floats | null; rangeColumns: number },
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<Floats> {
  const span = Math.min(rangeColumns, weight.columns)
  const largest = groupLargest(weight, span)
  const least = new Float64Array(largest.length).fill(Infinity)
  const ranges = largest.slice()
  const squares = scales === null ? inputs.meanSquare : scaledSquares(inputs.meanSquare, scales)
  for (let k = 0; k < points * mostShrink; k++) {
    const limits = largest.map((value) => value * (1 - k / points))
    const rounded = await grid.approximate({ ...weight, data: clamped(weight, limits, span) }, squares)
    const delta = differenceOf(weight.data, rounded)
    const data = scales === null ? delta : divideColumns(delta, scales)
    const losses = await kernels.groupLosses({ ...weight, data }, inputs.gram, span, signal)
    for (const [group, loss] of losses.entries()) {
      if (!(loss < (least[group] ?? 0))) continue
      least[group] = loss
      ranges[group] = limits[group] ?? 0
    }
  }
  return clamped(weight, ranges, span)
}

/** Largest |w| of each group, row by row; the last group of a row may be short. */
function groupLargest({ data, rows, columns }: Matrix, span: number): Floats {
  const groups = Math.ceil(columns / span)
  const largest = new Float32Array(rows * groups)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const group = row * groups + Math.floor(column / span)
      largest[group] = Math.max(largest[group] ?? 0, Math.abs(data[row * columns + column] ?? 0))
    }
  }
  return largest
}

function clamped({ data, rows, columns }: Matrix, limits: Floats, span: number): Floats {
  const result = new Float32Array(data.length)
  let group = 0
  for (let row = 0; row < rows; row++) {
    const rowEnd = (row + 1) * columns
    for (let start = row * columns; start < rowEnd; start += span) {
      const limit = limits[group++] ?? 0
      const end = Math.min(start + span, rowEnd)
      for (let i = start; i < end; i++) result[i] = Math.min(Math.max(data[i] ?? 0, -limit), limit)
    }
  }
  return result
}
