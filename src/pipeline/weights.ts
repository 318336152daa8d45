import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import type { BlockSpec } from '../models/model-graph.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { encodings } from '../quantization/registry.ts'
import type { BlockWeights } from '../runtime/engine.ts'
import { readTileAt, type StoredTensor } from './stored-tensor.ts'

/** f32 bytes read from a checkpoint at once: far below the 64 MiB no buffer of a tensor may pass. */
const readBytes = 32 * 2 ** 20

/**
 * The f32 weights of one block by role, the only place where a block's weights come into memory.
 * Throws `weights-not-finite` naming tensor and position, and whatever the checkpoint throws.
 */
export async function readBlock(checkpoint: Checkpoint, block: BlockSpec, signal: AbortSignal): Promise<BlockWeights> {
  const weights: Record<string, Float32Array<ArrayBuffer>> = {}
  for (const linear of block.linears) {
    const { outFeatures: rows, inFeatures: columns } = linear
    weights[linear.role] = await readRows(checkpoint, linear.weight, { rowStart: 0, rowEnd: rows, columns }, signal)
    if (linear.bias !== null) {
      weights[`${linear.role}.bias`] = await readVector(checkpoint, linear.bias, signal)
    }
  }
  for (const [role, spec] of Object.entries(block.norms)) weights[role] = await readVector(checkpoint, spec.name, signal)
  return weights
}

/** Rows of a matrix, read in pieces and checked. */
export async function readRows(
  checkpoint: Checkpoint,
  name: string,
  range: { readonly rowStart: number; readonly rowEnd: number; readonly columns: number },
  signal: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { rowStart, rowEnd, columns } = range
  const rowsAtOnce = Math.max(1, Math.floor(readBytes / (4 * columns)))
  if (rowEnd - rowStart <= rowsAtOnce) {
    const only = await checkpoint.readFloat(name, { rowStart, rowEnd }, signal)
    assertFinite(name, only, { firstRow: rowStart, columns })
    return only
  }
  const whole = new Float32Array((rowEnd - rowStart) * columns)
  for (let row = rowStart; row < rowEnd; row += rowsAtOnce) {
    const piece = await checkpoint.readFloat(name, { rowStart: row, rowEnd: Math.min(row + rowsAtOnce, rowEnd) }, signal)
    assertFinite(name, piece, { firstRow: row, columns })
    whole.set(piece, (row - rowStart) * columns)
  }
  return whole
}

export async function readVector(checkpoint: Checkpoint, name: string, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
  const data = await checkpoint.readFloat(name, undefined, signal)
  assertFinite(name, data, { firstRow: 0, columns: data.length })
  return data
}

/** Back to f32, exactly what a runtime computes from the file. */
export function dequantize(kernels: Kernels, tensor: QuantizedTensor, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
  return encodings.get(tensor.encoding).dequantize(tensor, kernels, signal)
}

/** Rows [rowStart, rowEnd) of a stored matrix, dequantized; its tiles need not be those asked for. */
export async function storedRange(
  from: { readonly store: FileStore; readonly kernels: Kernels; readonly signal: AbortSignal },
  stored: StoredTensor,
  rowStart: number,
  rowEnd: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { columns } = stored
  const rows = new Float32Array((rowEnd - rowStart) * columns)
  for (let row = rowStart; row < rowEnd; ) {
    const { first, tile } = await readTileAt(from.store, stored, row, from.signal)
    const values = await dequantize(from.kernels, tile, from.signal)
    const end = Math.min(rowEnd, first + tile.rows)
    rows.set(values.subarray((row - first) * columns, (end - first) * columns), (row - rowStart) * columns)
    row = end
  }
  return rows
}

/** Throws `weights-not-finite` naming the tensor and the place. */
export function assertFinite(name: string, data: Float32Array, at: { readonly firstRow: number; readonly columns: number }): void {
  // x * 0 is 0 for every number and NaN for infinities and NaN: one sum tells whether a search is needed.
  let probe = 0
  for (let i = 0; i < data.length; i++) probe += (data[i] ?? 0) * 0
  if (probe === 0) return
  const index = data.findIndex((value) => !Number.isFinite(value))
  const row = at.firstRow + Math.floor(index / at.columns)
  const column = index % at.columns
  throw new StudioError('weights-not-finite', {
    title: 'This model has weights that are not numbers',
    message: `${name} holds ${String(data[index])} in row ${row}, column ${column}.`,
    remedy: 'Take another copy of the model: a checkpoint with such weights was damaged or its training diverged.',
    details: { tensor: name, row, column },
  })
}
