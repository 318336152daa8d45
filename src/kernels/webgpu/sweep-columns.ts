import { throwIfAborted } from '../../core/errors.ts'
import { AcceleratorFault } from '../contract/accelerator.ts'
import { largestSweepBlock, type SweepGrid, type SweepOptions, type SweepResult } from '../contract/feedback.ts'
import type { Matrix } from '../contract/matrix.ts'
import type { Cut } from '../executor.ts'
import type { RowRange } from '../pieces.ts'
import { requireSweep, rowsOf } from '../split-feedback.ts'
import type { GpuRunner } from './runner.ts'

/** Rows of a workgroup that rounds a block; rows and positions of one that passes its errors on; words of one that packs. */
const rowsPerGroup = 128
const tile = 64
const wordsPerGroup = 256
/** Numbers of the kinds of grids in sweep.wgsl. */
const kinds = { fit: 0, uniform: 1, levels: 2 } as const

/** What one call of a shader is told about the grid, and what goes into its buffers. */
interface CardGrid {
  readonly kind: number
  readonly largestCode: number
  readonly isSymmetric: boolean
  readonly levelCount: number
  readonly tableStride: number
  /** Scales, zero points, offsets: [3][rows, groups]. */
  readonly values: Float32Array<ArrayBuffer>
  readonly levels: Float32Array
}

function cardGridOf(grid: SweepGrid, count: number): CardGrid {
  const values = new Float32Array(3 * count)
  const shared = {
    kind: kinds[grid.kind],
    largestCode: 0,
    isSymmetric: false,
    levelCount: 0,
    tableStride: 0,
    values,
    levels: new Float32Array(1),
  }
  if (grid.kind === 'fit') return { ...shared, largestCode: 2 ** grid.bits - 1, isSymmetric: grid.isSymmetric }
  values.set(grid.scales)
  values.set(grid.offsets, 2 * count)
  if (grid.kind === 'uniform') {
    values.set(grid.zeroPoints, count)
    return { ...shared, largestCode: grid.largestCode }
  }
  const isShared = grid.tables === 'shared'
  const levelCount = isShared ? grid.levels.length : grid.levels.length / count
  return { ...shared, levelCount, tableStride: isShared ? 0 : levelCount, levels: grid.levels }
}

/** Column and group of each position. */
function placesOf({ order, groupOf }: SweepOptions): Uint32Array<ArrayBuffer> {
  const places = new Uint32Array(2 * groupOf.length)
  for (const [position, group] of groupOf.entries()) {
    places[2 * position] = order?.[position] ?? position
    places[2 * position + 1] = group
  }
  return places
}

/** Rows that go to the card at once; refuses when the buffers hold not even one. */
function rowsAtOnce({ bufferBytes }: GpuRunner, { rows, columns }: Matrix, { groups, block, grid }: SweepOptions): number {
  const levelBytes = grid.kind === 'levels' && grid.tables === 'by group' ? (4 * grid.levels.length) / rows : 0
  const most = Math.floor(bufferBytes / Math.max(4 * columns, 12 * groups, 4 * largestSweepBlock, levelBytes))
  // Two words of a place for each position.
  const panelBytes = 4 * columns * Math.max(2, block)
  if (most > 0 && panelBytes <= bufferBytes) return most
  throw new AcceleratorFault(`Rows of ${columns} are too wide for a buffer of the graphics card.`, { isLasting: false })
}

/**
 * The codes of the reference, or an `AcceleratorFault` for the call: ranges that are searched for, and values so small, large or
 * not finite that the card's f32 cannot be trusted to follow. The weights stay on the card until the last block is done.
 */
export async function sweepColumns(
  runner: GpuRunner,
  { input, options }: { readonly input: Matrix; readonly options: SweepOptions },
  signal: AbortSignal | undefined,
): Promise<SweepResult> {
  requireSweep(input, options)
  const { rows, columns } = input
  const { grid, groups } = options
  if (grid.kind === 'fit' && grid.clip === 'mse') {
    throw new AcceleratorFault('Searching for ranges is not written for the graphics card.', { isLasting: false })
  }
  const fittedCount = grid.kind === 'fit' ? rows * groups : 0
  const result = {
    codes: new Uint8Array(rows * columns),
    fitted: { steps: new Float32Array(fittedCount), zeroPoints: new Float32Array(fittedCount) },
    losses: new Float32Array(rows),
  }
  if (rows === 0 || columns === 0) return result
  const step = rowsAtOnce(runner, input, options)
  const uncertain = await runner.upload('uncertain', new Uint32Array(1))
  for (let start = 0; start < rows; start += step) {
    await sweepRows(runner, { input, options, piece: { start, end: Math.min(rows, start + step) }, uncertain, result }, signal)
  }
  const [isUncertain] = await runner.read(uncertain, new Uint32Array(1))
  if (isUncertain !== 0) {
    throw new AcceleratorFault('A weight or an error is too small, too large or not finite.', { isLasting: false })
  }
  return result
}

interface Sweep {
  readonly input: Matrix
  readonly options: SweepOptions
  readonly piece: RowRange
  readonly uncertain: GPUBuffer
  /** Filled for the rows of the piece. */
  readonly result: SweepResult
}

const keep: Cut = (array, start, end) => array.subarray(start, end) as typeof array

async function sweepRows(
  runner: GpuRunner,
  { input, options, piece, uncertain, result }: Sweep,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { columns, data } = input
  const { upper, block, groups } = options
  const rows = piece.end - piece.start
  const count = rows * groups
  const grid = cardGridOf(rowsOf(options.grid, piece, { groups, cut: keep }), count)
  const weights = await runner.upload('tokens', data.subarray(piece.start * columns, piece.end * columns))
  const places = await runner.upload('places', placesOf(options))
  const values = await runner.upload('grid', grid.values)
  const levels = await runner.upload('levels', grid.levels)
  const losses = await runner.upload('losses', new Float32Array(rows))
  const errors = runner.storage('errors', 4 * rows * largestSweepBlock)
  // As many blocks' rows of U at a time as a buffer holds.
  const band = Math.floor(runner.bufferBytes / (4 * columns * block)) * block
  for (let firstUpper = 0; firstUpper < columns; firstUpper += band) {
    throwIfAborted(signal)
    const end = Math.min(columns, firstUpper + band)
    const panel = await runner.upload('gram', upper.subarray(firstUpper * columns, end * columns))
    for (let first = firstUpper; first < end; first += block) {
      const length = Math.min(block, columns - first)
      const { kind, isSymmetric, levelCount, tableStride } = grid
      const shape = [rows, columns, 0, first, length, firstUpper, groups]
      const call = Uint32Array.of(...shape, kind, isSymmetric ? 1 : 0, levelCount, tableStride, 0)
      new Float32Array(call.buffer)[call.length - 1] = grid.largestCode
      const buffers = [weights, panel, places, values, levels, errors, losses, uncertain]
      await runner.dispatch('sweep', { call, buffers, groups: [Math.ceil(rows / rowsPerGroup), 1] })
      const rest = columns - first - length
      if (rest === 0) continue
      await runner.dispatch('sweep-update', {
        call,
        buffers: [weights, panel, places, errors, uncertain],
        groups: [Math.ceil(rest / tile), Math.ceil(rows / tile)],
      })
    }
  }
  const words = Math.ceil((rows * columns) / 4)
  const packed = runner.storage('blocks', 4 * words)
  await runner.dispatch('sweep-pack', {
    call: Uint32Array.of(rows * columns),
    buffers: [weights, packed],
    groups: [Math.ceil(words / wordsPerGroup), 1],
  })
  await runner.read(packed, result.codes.subarray(piece.start * columns, piece.end * columns))
  await runner.read(losses, result.losses.subarray(piece.start, piece.end))
  if (options.grid.kind !== 'fit') return
  const fitted = await runner.read(values, new Float32Array(2 * count))
  result.fitted.steps.set(fitted.subarray(0, count), piece.start * groups)
  result.fitted.zeroPoints.set(fitted.subarray(count), piece.start * groups)
}
