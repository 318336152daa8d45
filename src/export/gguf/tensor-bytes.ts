import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { ownBytes } from '../../core/shared-memory.ts'
import { ggmlBytes, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { asMatrix, readHalf, rowPieces } from '../float-pieces.ts'
import { storedTiles } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import { interleaveRows } from './head-rows.ts'
import type { PlannedTensor } from './tensors.ts'

/** Rows are handled in whole heads where they are re-ordered. */
export function piecesOf(tensor: PlannedTensor, headDim: number, rows = asMatrix(tensor.spec.shape).rows): RowRange[] {
  const { columns } = asMatrix(tensor.spec.shape)
  // A bias is one row of single elements; a re-ordered one is handled whole.
  return rowPieces(rows, columns, tensor.isInterleaved && tensor.spec.shape.length > 1 ? headDim : 1)
}

/** Bytes of one row, or of one element of a vector. */
export function rowBytes({ spec }: PlannedTensor): number {
  return spec.shape.length > 1 ? ggmlBytes(spec.type, 1, spec.shape.at(-1) ?? 0) : ggmlTypes[spec.type].blockBytes
}

/** A tensor's bytes in the file, piece by piece. */
export async function* tensorBytes(
  tensor: PlannedTensor,
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { from, spec, isInterleaved } = tensor
  const order = { headDim: source.graph.config.headDim, rowBytes: rowBytes(tensor) }
  const arrange = (bytes: Uint8Array<ArrayBuffer>) => (isInterleaved ? interleaveRows(bytes, order) : bytes)
  switch (from.kind) {
    case 'computed':
      yield new Uint8Array(from.values.slice().buffer)
      return
    case 'stored':
      for await (const { blocks } of storedPieces(tensor, from.name, source, signal)) yield arrange(blocks)
      return
    case 'float':
      for (const rows of piecesOf(tensor, order.headDim)) {
        throwIfAborted(signal)
        const values =
          spec.type === 'F16' ? await readHalf(source, from.name, rows, signal) : await source.readFloat(from.name, rows, signal)
        yield arrange(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      }
  }
}

/**
 * Stored blocks in pieces of rows, in order, each valid until the next is asked for. Throws `storage-fault` when blocks were
 * not stored.
 */
export async function* storedPieces(
  tensor: PlannedTensor,
  name: string,
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly rows: RowRange; readonly blocks: Uint8Array<ArrayBuffer> }> {
  const bytesARow = rowBytes(tensor)
  // Heads are re-ordered whole, and tiles may end within one.
  const unit = source.checkpoint.graph.config.headDim
  const tiles = tensor.isInterleaved ? storedTiles(source, { name, encoding: 'ggml', unit }, signal) : source.readTiles(name, signal)
  for await (const { rowStart, tile } of tiles) {
    if (tile.encoding !== 'ggml') throw notBlocks(tile)
    for (const { rowStart: start, rowEnd: end } of piecesOf(tensor, source.checkpoint.graph.config.headDim, tile.rows)) {
      throwIfAborted(signal)
      yield {
        rows: { rowStart: rowStart + start, rowEnd: rowStart + end },
        blocks: ownBytes(tile.blocks.subarray(start * bytesARow, end * bytesARow)),
      }
    }
  }
}

function notBlocks({ name, encoding }: QuantizedTensor): StudioError {
  return new StudioError('storage-fault', {
    title: 'What is stored does not fit the recipe',
    message: `${name} is stored as ${encoding}, but the recipe says blocks.`,
    remedy: 'Run the recipe again, then export again.',
    details: { tensor: name },
  })
}
