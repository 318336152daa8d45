import type { MatrixShape } from '../../kernels/contract/kernels.ts'

/**
 * Bytes of error feedback beside a matrix and its G: the factor in f32 here, G and two triangles in f64 in the thread that
 * computes it (which keeps that memory), and for the sweep in every thread the factor as a message and in its memory, with
 * the weights at work, a copy without unused columns and a byte a code.
 */
export function feedbackBytes({ rows, columns }: MatrixShape, threads: number, hasCrossTerm = false): number {
  const factor = 4 * columns * columns
  // The factor once more and its transpose; weights on their way: as they are, transposed, two products, and the target.
  const cross = hasCrossTerm ? 2 * factor + 5 * 4 * rows * columns : 0
  return cross + 4 * factor + factor + threads * 2 * factor + rows * columns * (3 * 4 + 1)
}
