import { type DescentOptions, type DescentResult, reach, roundSteps, settleSweeps, stepLength } from '../contract/descent.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function descendCodes(
  wasm: KernelExports,
  arena: Arena,
  { piece, options }: { piece: MatrixPiece; options: DescentOptions },
): DescentResult {
  const { data, rows, columns } = piece
  const { grid, groups, rounds } = options
  const isByGroup = grid.tables === 'by group'
  const count = grid.levels.length / (isByGroup ? rows * groups : 1)
  const stride = Math.ceil(columns / 4) * 4
  arena.reset()
  const losses = arena.take(rows * 16)
  const whole = arena.take(columns * stride * 4)
  wasm.mirrorGram(arena.put(options.gram), columns, whole, stride)
  const codes = arena.put(options.start)
  const status = wasm.descendCodes(
    arena.put(data),
    rows,
    columns,
    whole,
    stride,
    arena.put(options.groupOf),
    groups,
    arena.put(grid.scales),
    arena.put(grid.offsets),
    arena.put(grid.levels),
    count,
    isByGroup ? 1 : 0,
    rounds,
    roundSteps,
    settleSweeps,
    stepLength,
    reach,
    codes,
    losses,
    arena.take(7 * stride * 4),
  )
  if (status !== 0) throw weightNotFinite(piece)
  const pairs = arena.doubles(losses, 2 * rows)
  return {
    codes: arena.bytes(codes, rows * columns),
    before: Float64Array.from({ length: rows }, (_, row) => pairs[2 * row] ?? 0),
    after: Float64Array.from({ length: rows }, (_, row) => pairs[2 * row + 1] ?? 0),
  }
}
