import { bytesPerElement } from '../../core/dtype.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece, StoredPiece } from '../contract/operations.ts'
import { requireLength } from '../faults.ts'
import { rowsWithin } from '../pieces.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

/**
 * Bytes of weights copied into the module at once: they and what is made of them stay in the cache between the copies and the
 * kernel, and a kernel called often is soon compiled to the end (V8 replaces the code of its quick compiler only between calls).
 */
const stripBytes = 2 ** 17

/** Rows of a strip. */
export function stripRows({ rows, columns }: MatrixShape): number {
  return Math.min(rows, rowsWithin(stripBytes, columns * 4))
}

/** Rows of a stored matrix in f32, strip by strip, at one place in the module's memory. */
export class StoredStrips {
  /** Where they lie. */
  readonly weight: number
  /** Rows of a strip at most. */
  readonly rows: number
  readonly #wasm: KernelExports
  readonly #arena: Arena
  readonly #piece: StoredPiece
  readonly #rowBytes: number
  readonly #stored: number

  constructor(wasm: KernelExports, arena: Arena, piece: StoredPiece) {
    const { dtype, bytes, columns } = piece
    this.#wasm = wasm
    this.#arena = arena
    this.#piece = piece
    this.#rowBytes = columns * bytesPerElement[dtype]
    requireLength('A stored matrix', bytes.length, piece.rows * this.#rowBytes)
    this.rows = stripRows(piece)
    this.#stored = arena.take(this.rows * this.#rowBytes)
    this.weight = dtype === 'F32' ? this.#stored : arena.take(this.rows * columns * 4)
  }

  /** Brings in the rows from `start` on; how many there are. */
  load(start: number): number {
    const { dtype, bytes, rows, columns } = this.#piece
    const count = Math.min(this.rows, rows - start)
    this.#arena.write(this.#stored, bytes.subarray(start * this.#rowBytes, (start + count) * this.#rowBytes))
    // Halves as a checkpoint stores them are blocks of ggml's F16, one element each.
    if (dtype === 'F16') this.#wasm.decodeF16(this.#stored, count * columns, this.weight)
    else if (dtype === 'BF16') this.#wasm.widenBfloat16(this.#stored, count * columns, this.weight)
    return count
  }

  /** The weights of `count` rows from `start` on, for the text of an error. */
  loaded(start: number, count: number): MatrixPiece {
    const { columns, firstRow } = this.#piece
    return { data: this.#arena.floats(this.weight, count * columns), rows: count, columns, firstRow: firstRow + start }
  }
}
