import type { FloatDType } from '../../core/dtype.ts'

/** Matrices are row-major [rows, columns]. */
export interface MatrixShape {
  readonly rows: number
  readonly columns: number
}

/** A matrix as a checkpoint holds it: little-endian values of `dtype`. */
export interface StoredMatrix extends MatrixShape {
  readonly bytes: Uint8Array
  readonly dtype: FloatDType
}

export interface Matrix extends MatrixShape {
  readonly data: Float32Array
}
