import type { Matrix } from './contract/kernels.ts'
import type { MatrixPiece } from './contract/operations.ts'
import type { Cut } from './executor.ts'

/**
 * Bytes of one input of a piece: small enough that the memory of a thread stays small and an abort is heard within
 * milliseconds, large enough that handing it over costs little. Sums in f64 are taken by piece and added in order, so this
 * is also what makes them the same for any number of threads.
 */
export const pieceBytes = 2 ** 20

/** A range of rows; `end` is exclusive. */
export interface RowRange {
  readonly start: number
  readonly end: number
}

/**
 * As many rows as fit into `bytes`, at least one; from 8 on a multiple of 8, so that what belongs to the next rows begins at a
 * multiple of 8 bytes however long a row is. V8 copies from and to shared memory byte by byte where it does not.
 */
export function rowsWithin(bytes: number, rowBytes: number): number {
  const rows = Math.max(1, Math.floor(bytes / Math.max(1, rowBytes)))
  return rows < 8 ? rows : rows - (rows % 8)
}

/** Cuts `count` rows of `rowBytes` each into pieces of about `pieceBytes`, at least one row each. */
export function rowPieces(count: number, rowBytes: number): RowRange[] {
  const step = rowsWithin(pieceBytes, rowBytes)
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({ start: i * step, end: Math.min(count, (i + 1) * step) }))
}

export function pieceOf(input: Matrix, { start, end }: RowRange, cut: Cut): MatrixPiece {
  return { data: cut(input.data, start * input.columns, end * input.columns), rows: end - start, columns: input.columns, firstRow: start }
}
