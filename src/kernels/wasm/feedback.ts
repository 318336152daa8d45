import type { AffineSteps, StepRule, SweepGrid, SweepOptions, SweepResult } from '../contract/feedback.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function fitSteps(
  wasm: KernelExports,
  arena: Arena,
  { piece, group, rule }: { piece: MatrixPiece; group: number; rule: StepRule },
): AffineSteps {
  const { rows, columns } = piece
  const count = rows * Math.ceil(columns / group)
  arena.reset()
  const x = arena.put(piece.data)
  const steps = arena.take(count * 4)
  const zeros = arena.take(count * 4)
  const units = rule.clip === 'mse' ? arena.take(group * 4) : 0
  const status = wasm.fitSteps(x, rows, columns, group, rule.bits, rule.isSymmetric ? 1 : 0, units, steps, zeros)
  if (status !== 0) throw weightNotFinite(piece)
  return { steps: arena.floats(steps, count), zeroPoints: arena.floats(zeros, count) }
}

/** Rows that lie in the lanes of vectors together. */
const lanes = 8

/** [rows, groups] as [rows / 8][groups][8]; rows beyond the last get `rest`. */
function toLanes(values: Float32Array, { rows, groups, rest }: { rows: number; groups: number; rest: number }): Float32Array<ArrayBuffer> {
  const arranged = new Float32Array(Math.ceil(rows / lanes) * lanes * groups).fill(rest)
  for (let row = 0; row < rows; row++) {
    const to = (row - (row % lanes)) * groups + (row % lanes)
    for (let group = 0; group < groups; group++) arranged[to + group * lanes] = values[row * groups + group] ?? 0
  }
  return arranged
}

function fromLanes(arranged: Float32Array, rows: number, groups: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(rows * groups)
  for (let row = 0; row < rows; row++) {
    const from = (row - (row % lanes)) * groups + (row % lanes)
    for (let group = 0; group < groups; group++) values[row * groups + group] = arranged[from + group * lanes] ?? 0
  }
  return values
}

/** Tables of levels padded to a power of two, and the midpoints between them, NaN where there is no next level. */
function tablesOf(grid: Extract<SweepGrid, { kind: 'levels' }>, tables: number) {
  const count = grid.levels.length / tables
  const size = 2 ** Math.ceil(Math.log2(Math.max(2, count)))
  const levels = new Float32Array(tables * size)
  const midpoints = new Float32Array(tables * size).fill(Number.NaN)
  for (let table = 0; table < tables; table++) {
    const own = grid.levels.subarray(table * count, (table + 1) * count)
    levels.set(own, table * size)
    for (let i = 0; i + 1 < count; i++) midpoints[table * size + i] = Math.fround((own[i] ?? 0) + (own[i + 1] ?? 0)) / 2
  }
  return { levels, midpoints, size }
}

export function sweepColumns(
  wasm: KernelExports,
  arena: Arena,
  { piece, options }: { piece: MatrixPiece; options: SweepOptions },
): SweepResult {
  const { rows, columns } = piece
  const { grid, groups, block } = options
  const padded = Math.ceil(rows / lanes) * lanes
  const stride = Math.ceil(columns / 8) * 8
  const count = padded * groups
  arena.reset()
  const order = options.order === null ? 0 : arena.put(options.order)
  const work = arena.takeZeroed(padded * stride * 4)
  if (wasm.arrangeColumns(arena.put(piece.data), rows, columns, order, work, stride) !== 0) throw weightNotFinite(piece)
  const upper = arena.put(options.upper)
  const groupOf = arena.put(options.groupOf)
  const put = (values: Float32Array, rest: number): number => arena.put(toLanes(values, { rows, groups, rest }))
  const isFitted = grid.kind === 'fit'
  const scales = isFitted ? arena.takeZeroed(count * 4) : put(grid.scales, 1)
  const zeros = grid.kind === 'uniform' ? put(grid.zeroPoints, 0) : arena.takeZeroed(count * 4)
  const offsets = isFitted ? arena.takeZeroed(count * 4) : put(grid.offsets, 0)
  const isShared = grid.kind === 'levels' && grid.tables === 'shared'
  const tables = grid.kind === 'levels' ? tablesOf(grid, isShared ? 1 : rows * groups) : null
  // Lanes beyond the last row read tables too: their own are missing, what they choose is dropped.
  const tableBytes = (tables?.size ?? 0) * (isShared ? 1 : count) * 4
  const midpoints = arena.takeZeroed(tableBytes)
  const levels = arena.takeZeroed(tableBytes)
  if (tables !== null) {
    arena.write(midpoints, tables.midpoints)
    arena.write(levels, tables.levels)
  }
  const codes = arena.take(padded * columns)
  const losses = arena.takeZeroed(padded * 4)
  wasm.sweepColumns(
    work,
    padded,
    columns,
    stride,
    upper,
    block,
    order,
    groupOf,
    groups,
    grid.kind === 'fit' ? 0 : grid.kind === 'uniform' ? 1 : isShared ? 2 : 3,
    grid.kind === 'fit' ? grid.bits * 2 + (grid.isSymmetric ? 1 : 0) : grid.kind === 'uniform' ? grid.largestCode : (tables?.size ?? 0),
    scales,
    zeros,
    offsets,
    midpoints,
    levels,
    grid.kind === 'fit' && grid.clip === 'mse' ? arena.take(columns * 4) : 0,
    codes,
    losses,
    arena.take(block * stride * 4),
  )
  return {
    codes: arena.bytes(codes, rows * columns),
    fitted: {
      steps: isFitted ? fromLanes(arena.floats(scales, count), rows, groups) : new Float32Array(0),
      zeroPoints: isFitted ? fromLanes(arena.floats(zeros, count), rows, groups) : new Float32Array(0),
    },
    losses: arena.floats(losses, rows),
  }
}
