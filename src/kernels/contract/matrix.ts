/** Matrices are row-major [rows, columns]. */
export interface MatrixShape {
  readonly rows: number
  readonly columns: number
}

export interface Matrix extends MatrixShape {
  readonly data: Float32Array<ArrayBuffer>
}
