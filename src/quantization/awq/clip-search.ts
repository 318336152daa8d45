import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { differenceOf, divideColumns, scaledSquares } from '../scaling/scaled-block.ts'
import type { LinearGrid, TapInputs } from '../transform.ts'
import { chooseAlone, chooseTogether, type RangeTry } from './choose-ranges.ts'

type Floats = Float32Array<ArrayBuffer>

/** AutoAWQ's `n_grid` and `max_shrink`: ranges are 1, 19/20 ... 11/20 of the largest weight. */
const points = 20
const tries = 10
/** Every try keeps the errors of all rows that are searched at once: a fifth of them, of so many weights at most. */
const bands = 5
const bandWeights = 2 ** 21

interface ClipOptions {
  readonly grid: LinearGrid
  readonly inputs: TapInputs
  /** What inputs of the linear are divided by, which `inputs` do not know of yet; `null` for none. */
  readonly scales: Floats | null
  readonly rangeColumns: number
}

interface Tools {
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}

/**
 * AWQ's clip search (AutoAWQ `_search_best_clip`): the weights clamped to a range for each group of a row, one of the same ten. AutoAWQ
 * takes for each group the one whose own error in the outputs is least, on 512 tokens. Here the groups of a row are chosen together,
 * with G and so on all tokens, and make up for each other; each alone where a rounding that makes up for errors itself comes after.
 */
export async function clipRanges(weight: Matrix, options: ClipOptions, tools: Tools): Promise<Floats> {
  const { data, rows, columns } = weight
  const result = new Float32Array(data.length)
  const step = Math.max(1, Math.min(Math.ceil(rows / bands), Math.floor(bandWeights / columns)))
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first)
    const band = { data: data.slice(first * columns, (first + count) * columns), rows: count, columns }
    result.set(await clipBand(band, options, tools), first * columns)
  }
  return result
}

async function clipBand(band: Matrix, options: ClipOptions, tools: Tools): Promise<Floats> {
  const { kernels, signal } = tools
  const { grid, inputs, scales } = options
  const { meanSquare, gram } = inputs
  const span = Math.min(options.rangeColumns, band.columns)
  const largest = groupLargest(band, span)
  const limitsOf = (k: number): Floats => largest.map((value) => value * (1 - k / points))
  const squares = scales === null ? meanSquare : scaledSquares(meanSquare, scales)
  const tried: RangeTry[] = []
  for (let k = 0; k < tries; k++) {
    const rounded = await grid.approximate({ ...band, data: clamped(band, limitsOf(k), span) }, squares)
    const delta = differenceOf(band.data, rounded)
    const errors = scales === null ? delta : divideColumns(delta, scales)
    tried.push({ errors, losses: await kernels.groupLosses({ ...band, data: errors }, gram, span, signal) })
  }
  const alone = chooseAlone(tried)
  const chosen = grid.isFinal ? await chooseTogether(tried, alone, { rows: band.rows, columns: band.columns, span, gram }, tools) : alone
  const ranges = largest.map((value, group) => value * (1 - (chosen[group] ?? 0) / points))
  return clamped(band, ranges, span)
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
