import type { RowRange } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { narrowToHalf, widenHalf } from '../core/float16.ts'
import type { ExportSource } from './target.ts'

type FloatSource = Pick<ExportSource, 'readFloat'>

/** Largest piece handed to a sink (`ExportedFile.write`). */
export const maxPieceBytes = 64 * 1024 * 1024

/** f32 values handled at a time: 16 MiB, so that a piece, its source bytes and its copy stay small together. */
const pieceElements = 4 * 1024 * 1024

/**
 * Row ranges of a matrix that cover it in order, each a multiple of `unit` rows and of about `pieceElements` values.
 * `rows` is a multiple of `unit`.
 */
export function rowPieces(rows: number, columns: number, unit = 1): RowRange[] {
  const step = Math.max(1, Math.floor(pieceElements / (columns * unit))) * unit
  const pieces: RowRange[] = []
  for (let rowStart = 0; rowStart < rows; rowStart += step) pieces.push({ rowStart, rowEnd: Math.min(rows, rowStart + step) })
  return pieces
}

/** A tensor as rows: a vector is one row, as in `Checkpoint.readRaw`. */
export function asMatrix(shape: readonly number[]): { readonly rows: number; readonly columns: number } {
  const columns = shape.at(-1) ?? 1
  return { rows: shape.slice(0, -1).reduce((product, extent) => product * extent, 1), columns }
}

/** The recipe's floats in half precision, as bits. Throws `export-refused` for a value that half precision cannot hold. */
export async function readHalf(
  source: FloatSource,
  tensor: string,
  rows: RowRange,
  signal?: AbortSignal,
): Promise<Uint16Array<ArrayBuffer>> {
  const values = await source.readFloat(tensor, rows, signal)
  const halves = narrowToHalf(values)
  const overflow = halves.findIndex((bits) => bits % 0x8000 >= 0x7c00)
  if (overflow >= 0) {
    throw new StudioError('export-refused', {
      title: 'A weight is too large for half precision',
      message: `${tensor} holds ${values[overflow] ?? Number.NaN}; half precision (F16) ends at 65,504. Nothing was saved.`,
      remedy: 'Give this tensor a grid of its own with an override, for example Q8_0, and run again.',
      details: { tensor },
    })
  }
  return halves
}

/** What `readHalf` stands for, as f32. */
export async function readAsHalf(
  source: FloatSource,
  tensor: string,
  rows: RowRange,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  return widenHalf(await readHalf(source, tensor, rows, signal))
}

/** Bytes of a buffer in pieces that a sink may take. */
export function* inPieces(bytes: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  for (let start = 0; start < bytes.length; start += maxPieceBytes) yield bytes.subarray(start, start + maxPieceBytes)
}
