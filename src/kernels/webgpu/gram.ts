import { throwIfAborted } from '../../core/errors.ts'
import { AcceleratorFault } from '../contract/accelerator.ts'
import type { Matrix } from '../contract/matrix.ts'
import { gramTokenBlock } from '../contract/operations.ts'
import { requireLength } from '../faults.ts'
import type { GpuRunner } from './runner.ts'

/** Rows and columns of a workgroup's tile. */
const tile = 64

/** Rows of `columns` floats that fit into a buffer, in multiples of `step`; refuses when not even those do. */
function rowsInBuffer(runner: GpuRunner, columns: number, step: number): number {
  const rows = Math.floor(runner.bufferBytes / (4 * columns * step)) * step
  if (rows === 0) throw new AcceleratorFault(`Rows of ${columns} are too wide for a buffer of the graphics card.`, { isLasting: false })
  return rows
}

/** G + X^T X, upper triangle: a band of rows of G stays on the card while the tokens pass by in chunks. */
export async function accumulateGram(
  runner: GpuRunner,
  { gram, input }: { gram: Float32Array; input: Matrix },
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  const { rows: tokens, columns, data } = input
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A matrix', data.length, tokens * columns)
  if (tokens === 0) return gram.slice()
  const result = new Float32Array(columns * columns)
  const bandRows = rowsInBuffer(runner, columns, tile)
  const chunkTokens = rowsInBuffer(runner, columns, gramTokenBlock)
  for (let firstRow = 0; firstRow < columns; firstRow += bandRows) {
    const rows = Math.min(bandRows, columns - firstRow)
    const band = await runner.upload('gram', gram.subarray(firstRow * columns, (firstRow + rows) * columns))
    for (let token = 0; token < tokens; token += chunkTokens) {
      throwIfAborted(signal)
      const count = Math.min(chunkTokens, tokens - token)
      const x = await runner.upload('tokens', data.subarray(token * columns, (token + count) * columns))
      const groups = [Math.ceil(columns / tile), Math.ceil(rows / tile)] as const
      await runner.dispatch('gram', { call: Uint32Array.of(count, columns, firstRow, rows, 0), buffers: [x, band], groups })
    }
    // What lies below the diagonal went to the card and stayed as it was.
    await runner.read(band, result.subarray(firstRow * columns, (firstRow + rows) * columns))
  }
  return result
}

/** trace(D G D^T): parts of 64 x 64 summed on the card, then in f64 in a fixed order. */
export async function traceThroughGram(
  runner: GpuRunner,
  { delta, gram }: { delta: Matrix; gram: Float32Array },
  signal: AbortSignal | undefined,
): Promise<number> {
  const { rows: deltaRows, columns, data } = delta
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A matrix', data.length, deltaRows * columns)
  if (deltaRows === 0 || columns === 0) return 0
  const bandRows = rowsInBuffer(runner, columns, tile)
  let trace = 0
  for (let firstRow = 0; firstRow < columns; firstRow += bandRows) {
    const rows = Math.min(bandRows, columns - firstRow)
    const band = await runner.upload('gram', gram.subarray(firstRow * columns, (firstRow + rows) * columns))
    for (let first = 0; first < deltaRows; first += bandRows) {
      throwIfAborted(signal)
      const count = Math.min(bandRows, deltaRows - first)
      const d = await runner.upload('tokens', data.subarray(first * columns, (first + count) * columns))
      const groups = [Math.ceil(rows / tile), Math.ceil(count / tile)] as const
      const parts = runner.storage('parts', 4 * groups[0] * groups[1])
      await runner.dispatch('trace', { call: Uint32Array.of(count, columns, firstRow, rows), buffers: [d, band, parts], groups })
      const sums = await runner.read(parts, new Float32Array(groups[0] * groups[1]))
      trace += sums.reduce((sum, part) => sum + part, 0)
    }
  }
  return trace
}
