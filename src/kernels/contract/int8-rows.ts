import type { MatrixShape } from './matrix.ts'

/**
 * LLM.int8() weights (Dettmers et al. 2022), as bitsandbytes' `int8_vectorwise_quant` makes them:
 * scale = largest |w| of the row, code = half-even(w * (127 / scale)) in f32, value = code * scale * (1 / 127).
 * Where 127 / scale is not finite (zeros, magnitudes below 4e-37) codes are 0.
 */
export interface Int8RowsTensor extends MatrixShape {
  /** [rows, columns]. */
  readonly codes: Int8Array<ArrayBuffer>
  /** Largest magnitude of each row (SCB). */
  readonly scales: Float32Array<ArrayBuffer>
}
