import { throwIfAborted } from '../core/errors.ts'
import {
  type AffineSteps,
  largestSweepBlock,
  type StepRule,
  type SweepGrid,
  type SweepOptions,
  type SweepResult,
} from './contract/feedback.ts'
import type { Matrix } from './contract/matrix.ts'
import type { Cut, KernelExecutor } from './executor.ts'
import { contractBroken, requireBits, requireGroup, requireLength, requireOrder } from './faults.ts'
import { pieceOf, type RowRange, rowPieces } from './pieces.ts'

/** Rows come in eights, which backends compute at once. */
const rowStep = 8
/** Bytes of weights in a piece of a sweep: large, since a copy of U goes with each. */
const sweepBytes = 16 * 2 ** 20

export async function fitSteps(
  executor: KernelExecutor,
  { input, group, rule }: { input: Matrix; group: number; rule: StepRule },
  signal: AbortSignal | undefined,
): Promise<AffineSteps> {
  throwIfAborted(signal)
  const { rows, columns } = input
  requireBits(rule.bits)
  requireGroup(group)
  requireLength('A matrix', input.data.length, rows * columns)
  const groups = Math.ceil(columns / group)
  const found = { steps: new Float32Array(rows * groups), zeroPoints: new Float32Array(rows * groups) }
  await executor.each(
    'fitSteps',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut), group, rule],
      take: (part, piece) => {
        found.steps.set(part.steps, piece.start * groups)
        found.zeroPoints.set(part.zeroPoints, piece.start * groups)
      },
    },
    signal,
  )
  return found
}

export async function sweepColumns(
  executor: KernelExecutor,
  { input, options }: { input: Matrix; options: SweepOptions },
  signal: AbortSignal | undefined,
): Promise<SweepResult> {
  throwIfAborted(signal)
  requireSweep(input, options)
  const { rows, columns } = input
  const { order, grid, groups, groupOf } = options
  const pieces = sweepPieces(rows, columns, executor.threads)
  const upper = pieces.length > 1 ? executor.share(options.upper) : options.upper
  const fittedCount = grid.kind === 'fit' ? rows * groups : 0
  const result = {
    codes: new Uint8Array(rows * columns),
    fitted: { steps: new Float32Array(fittedCount), zeroPoints: new Float32Array(fittedCount) },
    losses: new Float32Array(rows),
  }
  await executor.each(
    'sweepColumns',
    pieces,
    {
      argumentsOf: (piece, cut) => [
        pieceOf(input, piece, cut),
        {
          ...options,
          upper: cut(upper, 0, upper.length),
          order: order && cut(order, 0, columns),
          groupOf: cut(groupOf, 0, columns),
          grid: rowsOf(grid, piece, { groups, cut }),
        },
      ],
      take: (part, piece) => {
        result.codes.set(part.codes, piece.start * columns)
        result.losses.set(part.losses, piece.start)
        if (fittedCount === 0) return
        result.fitted.steps.set(part.fitted.steps, piece.start * groups)
        result.fitted.zeroPoints.set(part.fitted.zeroPoints, piece.start * groups)
      },
    },
    signal,
  )
  return result
}

/** One piece a thread, more of them where the memory of a thread asks for it. Rows are independent. */
export function sweepPieces(rows: number, columns: number, threads: number): RowRange[] {
  const share = Math.min(Math.ceil(rows / threads), sweepBytes / (4 * columns))
  const step = Math.max(1, Math.ceil(share / rowStep)) * rowStep
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({ start: i * step, end: Math.min(rows, (i + 1) * step) }))
}

/** The piece's rows of a grid's arrays. */
export function rowsOf<Kept extends SweepGrid>(grid: Kept, piece: RowRange, given: { groups: number; cut: Cut }): Kept
export function rowsOf(grid: SweepGrid, { start, end }: RowRange, { groups, cut }: { groups: number; cut: Cut }): SweepGrid {
  if (grid.kind === 'fit') return grid
  const part = <T extends Float32Array>(values: T): T => cut(values, start * groups, end * groups)
  const scales = part(grid.scales)
  const offsets = part(grid.offsets)
  if (grid.kind === 'uniform') return { ...grid, scales, offsets, zeroPoints: part(grid.zeroPoints) }
  if (grid.tables === 'shared') return { ...grid, scales, offsets, levels: cut(grid.levels, 0, grid.levels.length) }
  const count = grid.levels.length / grid.scales.length
  return { ...grid, scales, offsets, levels: cut(grid.levels, start * groups * count, end * groups * count) }
}

/** Refuses what breaks the contract of a sweep. */
export function requireSweep(input: Matrix, { upper, order, block, groups, groupOf, grid }: SweepOptions): void {
  const { rows, columns } = input
  requireLength('A matrix', input.data.length, rows * columns)
  requireLength('A factor', upper.length, columns * columns)
  requireLength('A list of groups', groupOf.length, columns)
  if (order !== null) requireOrder(order, columns)
  if (block % 8 !== 0 || !(block > 0 && block <= largestSweepBlock)) throw contractBroken(`A block of ${block} positions.`)
  if (groupOf.some((group) => group < 0 || group >= groups)) throw contractBroken(`A position is in none of ${groups} groups.`)
  if (grid.kind === 'fit') {
    requireBits(grid.bits)
    return
  }
  requireLength('A list of scales', grid.scales.length, rows * groups)
  requireLength('A list of offsets', grid.offsets.length, rows * groups)
  if (grid.kind === 'uniform') requireLength('A list of zero points', grid.zeroPoints.length, rows * groups)
  else requireTables(grid, rows * groups)
}

/** Levels in a table. */
export function requireTables(grid: Extract<SweepGrid, { kind: 'levels' }>, groups: number): number {
  const count = grid.levels.length / (grid.tables === 'shared' ? 1 : groups)
  if (!Number.isInteger(count) || count < 1 || count > 256) throw contractBroken(`A table of ${count} levels.`)
  return count
}
