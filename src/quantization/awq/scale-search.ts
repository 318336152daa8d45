import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import type { LinearSpec } from '../../models/model-graph.ts'
import { differenceOf, divideColumns, scaleColumns, scaledSquares } from '../scaling/scaled-block.ts'
import { type BlockTensors, type LinearGrid, lossTokens, type TapInputs } from '../transform.ts'
import type { AwqSettings } from './settings.ts'

type Floats = Float32Array<ArrayBuffer>

/** AutoAWQ's `n_grid`: ratios 0, 1/20 ... 19/20. */
const points = 20
/** Rows of a linear that judge all points; the finalists alone are judged by whole matrices, and halves of blocks on all their tokens. */
const rowsOfHeat = 512
const finalists = 3
/** Weights whose largest makes 1 of a column's magnitude, where the grid has no groups of its own. */
const plainGroup = 128

/** A linear of the group: its weight as the block has it now, and its grid. */
export interface ScaledLinear {
  readonly role: string
  readonly weight: Matrix
  readonly grid: LinearGrid
}

/**
 * AWQ's scales for linears of one input (Lin et al. 2023; AutoAWQ `quantizer.py`), or `null` where no scales lose least.
 *
 * The loss is SUM over the linears of trace(D G D^T), D = W - Q(W S) S^-1: the squared error of the linears' own outputs on
 * all calibration tokens, exact and without the tokens. That is all there is to know of a linear alone. Errors of queries and keys
 * weigh what the softmax makes of them, those of gate and up what their product makes: where `lossOf` is given it is asked instead,
 * as AutoAWQ takes its loss at the end of attention or MLP.
 */
export async function searchScales(
  linears: readonly ScaledLinear[],
  inputs: TapInputs,
  tools: SearchTools & { readonly settings: AwqSettings; readonly lossOf?: RoundedLoss },
): Promise<Floats | null> {
  const weights = tools.settings.scales === 'inputs' ? null : weightMagnitudes(linears)
  const ratios = Array.from({ length: points }, (_, k) => k / points)
  const candidates = [null, ...ratios.map((ratio) => scalesAt(ratio, inputs.meanMagnitude, weights))]
  const { heat, whole } = tools.lossOf === undefined ? linearLosses(linears, inputs, tools) : lossesAtEnd(linears, inputs, tools.lossOf)
  const judged = await judge(candidates, heat)
  if (heat === whole) return best(judged)
  const final = judged.slice(0, finalists).map(({ scales }) => scales)
  const withNone = final.includes(null) ? final : [...final, null]
  return best(await judge(withNone, whole))
}

/** Squared error of what a half of the block gives when these linears are rounded. */
export type RoundedLoss = (rounded: BlockTensors, tokens: keyof typeof lossTokens) => Promise<number>

interface SearchTools {
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}

interface Judged {
  readonly scales: Floats | null
  readonly loss: number
}

/** Multiply-adds of a search through G, beside quantizing. */
export function searchOperations(linears: readonly LinearSpec[]): number {
  return linears.reduce((sum, { outFeatures, inFeatures }) => {
    const rows = outFeatures <= rowsOfHeat ? (points + 1) * outFeatures : (points + 1) * rowsOfHeat + (finalists + 1) * outFeatures
    return sum + (rows * inFeatures * inFeatures) / 2
  }, 0)
}

/** The same of a search that runs the half of the block with these linears: for float, for every candidate and for the finalists. */
export function halfOperations(linears: readonly LinearSpec[]): number {
  const tokens = (points + 1) * lossTokens.some + (finalists + 2) * lossTokens.all
  return linears.reduce((sum, { outFeatures, inFeatures }) => sum + tokens * outFeatures * inFeatures, 0)
}

type LossOf = (scales: Floats | null) => Promise<number>

/** `heat` judges all candidates, `whole` the best of them; one function where nothing is left out. */
type Losses = Readonly<Record<'heat' | 'whole', LossOf>>

/** Ascending by loss; candidates whose loss is not a number last, and of equals the first given first. */
async function judge(candidates: readonly (Floats | null)[], lossOf: LossOf): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const scales of candidates) {
    const loss = await lossOf(scales)
    judged.push({ scales, loss: Number.isNaN(loss) ? Infinity : loss })
  }
  // Two infinite losses differ by NaN.
  return judged.sort((a, b) => a.loss - b.loss || 0)
}

function linearLosses(linears: readonly ScaledLinear[], inputs: TapInputs, { kernels, signal }: SearchTools): Losses {
  const lossOf =
    (judges: readonly ScaledLinear[]): LossOf =>
    async (scales) => {
      let loss = 0
      for (const linear of judges) {
        const { weight } = linear
        const data = differenceOf(weight.data, await approximate(linear, inputs, scales))
        loss += await kernels.traceThroughGram({ ...weight, data }, inputs.gram, signal)
      }
      return loss
    }
  const whole = lossOf(linears)
  const some = linears.map((linear) => ({ ...linear, weight: someRows(linear.weight) }))
  return { whole, heat: some.every(({ weight }, i) => weight === linears[i]?.weight) ? whole : lossOf(some) }
}

function lossesAtEnd(linears: readonly ScaledLinear[], inputs: TapInputs, lossOf: RoundedLoss): Losses {
  const on =
    (tokens: keyof typeof lossTokens): LossOf =>
    async (scales) => {
      const rounded: Record<string, Floats> = {}
      for (const linear of linears) rounded[linear.role] = await approximate(linear, inputs, scales)
      return lossOf(rounded, tokens)
    }
  return { heat: on('some'), whole: on('all') }
}

/** Q(W S) S^-1. */
async function approximate({ weight, grid }: ScaledLinear, { meanSquare }: TapInputs, scales: Floats | null): Promise<Floats> {
  if (scales === null) return grid.approximate(weight, meanSquare)
  const wide = { ...weight, data: scaleColumns(weight.data, scales) }
  return divideColumns(await grid.approximate(wide, scaledSquares(meanSquare, scales)), scales)
}

/** Without scales unless some lose less. */
function best(judged: readonly Judged[]): Floats | null {
  const [first] = judged
  const none = judged.find(({ scales }) => scales === null)
  return first === undefined || first.loss >= (none?.loss ?? Infinity) ? null : first.scales
}

/**
 * s = x^ratio / (w^(1 - ratio) + 1e-4), or x^ratio without weights; at least 1e-4, then divided by the geometric mean of the
 * least and the greatest. What is not finite becomes 1.
 */
export function scalesAt(ratio: number, inputs: Floats, weights: Floats | null): Floats {
  const least = 1e-4
  const scales = Float32Array.from(inputs, (x, i) => {
    const input = Math.pow(x, ratio)
    return Math.max(weights === null ? input : input / (Math.pow(weights[i] ?? 0, 1 - ratio) + least), least)
  })
  let min = Infinity
  let max = 0
  for (const scale of scales) {
    min = Math.min(min, scale)
    max = Math.max(max, scale)
  }
  const middle = Math.sqrt(max * min)
  return scales.map((scale) => {
    const normed = scale / middle
    return normed > 0 && normed < Infinity ? normed : 1
  })
}

/** Of each column, the mean over all rows of |w| as a share of the largest |w| of its group in the row, [columns]. */
export function weightMagnitudes(linears: readonly Pick<ScaledLinear, 'weight' | 'grid'>[]): Floats {
  const columns = linears[0]?.weight.columns ?? 0
  const sums = new Float64Array(columns)
  let rows = 0
  for (const { weight, grid } of linears) {
    const span = grid.rangeColumns ?? (columns % plainGroup === 0 ? plainGroup : columns)
    rows += weight.rows
    for (let row = 0; row < weight.rows; row++) {
      for (let start = 0; start < columns; start += span) {
        const end = Math.min(columns, start + span)
        const group = weight.data.subarray(row * columns + start, row * columns + end)
        let largest = 0
        for (const value of group) largest = Math.max(largest, Math.abs(value))
        for (const [i, value] of group.entries()) sums[start + i] = (sums[start + i] ?? 0) + Math.abs(value) / (largest + 1e-6)
      }
    }
  }
  return Float32Array.from(sums, (sum) => sum / rows)
}

/** The matrix itself, or rows of it spread evenly. */
function someRows(weight: Matrix): Matrix {
  const { rows, columns, data } = weight
  if (rows <= rowsOfHeat) return weight
  const some = new Float32Array(rowsOfHeat * columns)
  for (let i = 0; i < rowsOfHeat; i++) {
    const row = Math.floor((i * rows) / rowsOfHeat)
    some.set(data.subarray(row * columns, (row + 1) * columns), i * columns)
  }
  return { data: some, rows: rowsOfHeat, columns }
}
