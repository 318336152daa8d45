import { roundHalfEven } from '../../core/rounding.ts'
import type { SweepGrid, SweepOptions, SweepResult } from '../contract/feedback.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import { fitGroup } from './fit.ts'

const f = Math.fround

/** Scale, zero point and offset of a row's group; `at` is its place in [rows, groups]. */
interface GroupValues {
  readonly scale: number
  readonly zeroPoint: number
  readonly offset: number
  readonly largestCode: number
  /** `null` on uniform grids. */
  readonly levels: Float32Array | null
}

function givenValues(grid: Exclude<SweepGrid, { kind: 'fit' }>, at: number, tables: number): GroupValues {
  const shared = { scale: grid.scales[at] ?? 0, offset: grid.offsets[at] ?? 0 }
  if (grid.kind === 'uniform') return { ...shared, zeroPoint: grid.zeroPoints[at] ?? 0, largestCode: grid.largestCode, levels: null }
  const count = grid.levels.length / tables
  const table = grid.tables === 'shared' ? 0 : at
  return { ...shared, zeroPoint: 0, largestCode: 0, levels: grid.levels.subarray(table * count, (table + 1) * count) }
}

/** Index of the nearest level, the higher one of two equally near. */
function nearestLevel(levels: Float32Array, quotient: number): number {
  let index = 0
  for (let next = 1; next < levels.length; next++) {
    if (quotient >= f(f((levels[next - 1] ?? 0) + (levels[next] ?? 0)) / 2)) index = next
  }
  return index
}

function round(weight: number, { scale, zeroPoint, offset, largestCode, levels }: GroupValues): { code: number; value: number } {
  const quotient = scale === 0 ? 0 : f(f(weight - offset) / scale)
  if (levels !== null) {
    const code = nearestLevel(levels, quotient)
    return { code, value: f(f(scale * (levels[code] ?? 0)) + offset) }
  }
  const shifted = f(roundHalfEven(quotient) + zeroPoint)
  const code = shifted > 0 ? Math.min(largestCode, shifted) : 0
  return { code, value: f(f(scale * (code - zeroPoint)) + offset) }
}

/**
 * One row. Within a block the errors before a position are summed in two halves, those of even and of odd places in the block;
 * after a block every later position gets one sum over the block, taken from zero in order.
 */
function sweepRow(
  weights: Float32Array,
  options: SweepOptions,
  values: (position: number) => GroupValues,
): { readonly codes: Uint8Array; readonly loss: number } {
  const { upper, block } = options
  const columns = weights.length
  const u = (i: number, j: number): number => upper[i * columns + j] ?? 0
  const codes = new Uint8Array(columns)
  const errors = new Float32Array(columns)
  let loss = 0
  for (let first = 0; first < columns; first += block) {
    const end = Math.min(first + block, columns)
    for (let i = first; i < end; i++) {
      let even = weights[i] ?? 0
      let odd = 0
      for (let m = first; m < i; m++) {
        const part = f(u(m, i) * (errors[m] ?? 0))
        if ((m - first) % 2 === 0) even = f(even - part)
        else odd = f(odd - part)
      }
      const weight = f(even + odd)
      const { code, value } = round(weight, values(i))
      codes[i] = code
      const error = f(f(weight - value) / u(i, i))
      errors[i] = error
      loss = f(loss + f(error * error))
    }
    for (let j = end; j < columns; j++) {
      let sum = 0
      for (let m = first; m < end; m++) sum = f(sum + f((errors[m] ?? 0) * u(m, j)))
      weights[j] = (weights[j] ?? 0) - sum
    }
  }
  return { codes, loss }
}

export function sweepColumns(piece: MatrixPiece, options: SweepOptions): SweepResult {
  const { data, rows, columns } = piece
  const { order, grid, groups, groupOf } = options
  if (data.some((value) => !Number.isFinite(value))) throw weightNotFinite(piece)
  const codes = new Uint8Array(rows * columns)
  const losses = new Float32Array(rows)
  const fittedCount = grid.kind === 'fit' ? rows * groups : 0
  const fitted = { steps: new Float32Array(fittedCount), zeroPoints: new Float32Array(fittedCount) }
  const tables = grid.kind === 'levels' && grid.tables === 'by group' ? rows * groups : 1
  const columnAt = (position: number): number => order?.[position] ?? position
  for (let row = 0; row < rows; row++) {
    const weights = Float32Array.from({ length: columns }, (_, position) => data[row * columns + columnAt(position)] ?? 0)
    let current: GroupValues | null = null
    const values = (position: number): GroupValues => {
      const group = groupOf[position] ?? 0
      const at = row * groups + group
      if (grid.kind !== 'fit') return givenValues(grid, at, tables)
      if (current !== null && position > 0 && groupOf[position - 1] === group) return current
      let end = position + 1
      while (end < columns && groupOf[end] === group) end++
      const { step, zeroPoint } = fitGroup(weights.subarray(position, end), grid)
      fitted.steps[at] = step
      fitted.zeroPoints[at] = zeroPoint
      current = { scale: step, zeroPoint, offset: 0, largestCode: 2 ** grid.bits - 1, levels: null }
      return current
    }
    const swept = sweepRow(weights, options, values)
    for (let position = 0; position < columns; position++) codes[row * columns + columnAt(position)] = swept.codes[position] ?? 0
    losses[row] = swept.loss
  }
  return { codes, fitted, losses }
}
