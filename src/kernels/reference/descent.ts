import { type DescentOptions, type DescentResult, reach, roundSteps, settleSweeps, stepLength } from '../contract/descent.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'

const f = Math.fround

/** What a row keeps while its codes change. */
interface RowState {
  readonly columns: number
  readonly weights: Float32Array
  readonly codes: Uint8Array
  /** P. */
  readonly slopes: Float32Array
  /** G_ij in either order. */
  readonly gram: (i: number, j: number) => number
  readonly scaleOf: (column: number) => number
  readonly offsetOf: (column: number) => number
  /** Levels of a column's table. */
  readonly levelsOf: (column: number) => Float32Array
}

function valueOf(state: RowState, column: number, code: number): number {
  return f(f(state.scaleOf(column) * (state.levelsOf(column)[code] ?? 0)) + state.offsetOf(column))
}

function errorOf(state: RowState, column: number): number {
  return f(valueOf(state, column, state.codes[column] ?? 0) - (state.weights[column] ?? 0))
}

function follow({ columns, slopes, gram }: RowState, column: number, change: number): void {
  if (change === 0) return
  for (let k = 0; k < columns; k++) slopes[k] = (slopes[k] ?? 0) + f(change * gram(column, k))
}

function restart(state: RowState, codes: Uint8Array): void {
  state.codes.set(codes)
  state.slopes.fill(0)
  for (let column = 0; column < state.columns; column++) follow(state, column, errorOf(state, column))
}

function lossOf(state: RowState): number {
  let loss = 0
  for (let column = 0; column < state.columns; column++) loss += errorOf(state, column) * (state.slopes[column] ?? 0)
  return loss
}

function settle(state: RowState): void {
  for (let sweep = 0; sweep < settleSweeps; sweep++) {
    let hasChanged = false
    for (let column = 0; column < state.columns; column++) {
      const code = state.codes[column] ?? 0
      for (const next of [code - 1, code + 1]) {
        if (next < 0 || next >= state.levelsOf(column).length) continue
        const change = f(valueOf(state, column, next) - valueOf(state, column, code))
        const slope = f(f(2 * (state.slopes[column] ?? 0)) + f(change * state.gram(column, column)))
        if (!(f(change * slope) < 0)) continue
        state.codes[column] = next
        follow(state, column, change)
        hasChanged = true
        break
      }
    }
    if (!hasChanged) return
  }
}

/** Where a weight lies among the codes, within reach of its own. */
function positionOf(state: RowState, column: number): number {
  const levels = state.levelsOf(column)
  const scale = state.scaleOf(column)
  const quotient = scale === 0 ? 0 : f(f((state.weights[column] ?? 0) - state.offsetOf(column)) / scale)
  let below = 0
  while (below + 2 < levels.length && quotient >= (levels[below + 1] ?? 0)) below++
  const gap = below + 1 < levels.length ? f((levels[below + 1] ?? 0) - (levels[below] ?? 0)) : 0
  const position = gap > 0 ? f(below + f(f(quotient - (levels[below] ?? 0)) / gap)) : below
  const code = state.codes[column] ?? 0
  return Math.min(f(code + reach), Math.max(f(code - reach), position))
}

/** One step; false when there is nowhere to go. */
function step(state: RowState, positions: Float32Array, share: number): boolean {
  const moves = new Float32Array(state.columns)
  let squares = 0
  for (let column = 0; column < state.columns; column++) {
    const use = state.gram(column, column)
    const scale = state.scaleOf(column)
    const move = use === 0 || scale === 0 ? 0 : f(f((state.slopes[column] ?? 0) / use) / scale)
    moves[column] = move
    squares += move * move
  }
  const size = Math.sqrt(squares / state.columns)
  if (!(size > 0 && size < Infinity)) return false
  const rate = f((stepLength * share) / size)
  const changes = moves.map((move, column) => {
    const last = state.levelsOf(column).length - 1
    const position = Math.min(f(last + reach), Math.max(-reach, f((positions[column] ?? 0) - f(rate * move))))
    positions[column] = position
    const code = state.codes[column] ?? 0
    const next = Math.floor(f(position + 0.5))
    if (next === code) return 0
    state.codes[column] = next
    return f(valueOf(state, column, next) - valueOf(state, column, code))
  })
  for (const [column, change] of changes.entries()) follow(state, column, change)
  return true
}

/** Changes nothing but the state; the best codes and their losses are returned. */
function descend(state: RowState, rounds: number): { readonly codes: Uint8Array; readonly before: number; readonly after: number } {
  const best = state.codes.slice()
  restart(state, best)
  const before = lossOf(state)
  let after = before
  const keepBetter = (): void => {
    const loss = lossOf(state)
    if (!(loss < after)) return
    after = loss
    best.set(state.codes)
  }
  settle(state)
  keepBetter()
  for (let round = 0; round < rounds; round++) {
    restart(state, best)
    after = lossOf(state)
    const positions = Float32Array.from(best, (_, column) => positionOf(state, column))
    for (let t = 0; t < roundSteps; t++) {
      if (!step(state, positions, 1 - t / roundSteps)) break
      keepBetter()
    }
    settle(state)
    keepBetter()
  }
  return { codes: best, before, after }
}

export function descendCodes(piece: MatrixPiece, options: DescentOptions): DescentResult {
  const { data, rows, columns } = piece
  const { grid, groups, groupOf } = options
  if (data.some((value) => !Number.isFinite(value))) throw weightNotFinite(piece)
  const tables = grid.tables === 'by group' ? rows * groups : 1
  const count = grid.levels.length / tables
  const result = { codes: new Uint8Array(rows * columns), before: new Float64Array(rows), after: new Float64Array(rows) }
  for (let row = 0; row < rows; row++) {
    const groupAt = (column: number): number => row * groups + (groupOf[column] ?? 0)
    const state: RowState = {
      columns,
      weights: data.subarray(row * columns, (row + 1) * columns),
      codes: options.start.slice(row * columns, (row + 1) * columns),
      slopes: new Float32Array(columns),
      gram: (i, j) => options.gram[Math.min(i, j) * columns + Math.max(i, j)] ?? 0,
      scaleOf: (column) => grid.scales[groupAt(column)] ?? 0,
      offsetOf: (column) => grid.offsets[groupAt(column)] ?? 0,
      levelsOf: (column) => {
        const table = grid.tables === 'by group' ? groupAt(column) : 0
        return grid.levels.subarray(table * count, (table + 1) * count)
      },
    }
    const found = descend(state, options.rounds)
    result.codes.set(found.codes, row * columns)
    result.before[row] = found.before
    result.after[row] = found.after
  }
  return result
}
