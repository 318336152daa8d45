import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { asMatrix, readHalf, rowPieces } from '../float-pieces.ts'
import type { ExportSource } from '../target.ts'
import type { FloatTensor } from './planned-tensor.ts'

/** Bytes of a tensor that is on no grid, in order. */
export async function* floatPieces(tensor: FloatTensor, source: ExportSource, signal?: AbortSignal) {
  const { rows, columns } = asMatrix(tensor.shape)
  for (const range of rowPieces(rows, columns)) yield await floatBytes(tensor, range, source, signal)
}

/** Some rows of it: the checkpoint's bytes, or floats where a transform changed it. */
export async function floatBytes({ kind, name, specs }: FloatTensor, rows: RowRange, source: ExportSource, signal?: AbortSignal) {
  if (kind === 'checkpoint') return source.checkpoint.readRaw(name, rows, signal)
  if (specs[0]?.dtype === 'F16') return new Uint8Array((await readHalf(source, name, rows, signal)).buffer)
  return bytesOfFloats(await source.readFloat(name, rows, signal))
}
