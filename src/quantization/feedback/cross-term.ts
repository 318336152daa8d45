import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { transposed } from '../transposed.ts'

/**
 * Rounding a linear means to find Q on a grid with the least |F W^T - X Q^T|^2, F being the float model's inputs and X those of
 * the recipe, with everything before it quantized. Over all Q the least is at W* = W + W C H^-1 with C = (F - X)^T X and
 * H = X^T X, and for any Q the loss is that of W* plus trace((W* - Q) H (W* - Q)^T): so W* takes the place of W, and error
 * feedback goes on as it is. (The objective of GPTAQ, Li et al. 2025, and Qronos, Zhang et al. 2025; they fold the correction
 * into the sweep column by column, where it is done here once and exactly.) Damping of H draws W* towards W.
 */
export async function meetFloatOutputs(
  weight: Matrix,
  /** `upper`: U with H^-1 = U^T U, in the order of the columns. */
  { cross, upper }: { readonly cross: Float32Array; readonly upper: Float32Array },
  kernels: Kernels,
  signal?: AbortSignal,
): Promise<Matrix> {
  const { rows, columns } = weight
  const square = (data: Float32Array): Matrix => ({ data, rows: columns, columns })
  const times = async (left: Float32Array, right: Float32Array): Promise<Float32Array<ArrayBuffer>> => {
    const tall = { data: right, rows: columns, columns: rows }
    return kernels.accumulateProduct(new Float32Array(columns * rows), square(left), tall, signal)
  }
  // Everything transposed, [columns, rows], since the kernel multiplies by the transpose of its left: C^T W^T, U (..), U^T (..).
  const outputs = await times(cross, transposed(weight.data, columns))
  const half = await times(transposed(upper, columns), outputs)
  const change = transposed(await times(upper, half), rows)
  return { ...weight, data: weight.data.map((value, i) => value + (change[i] ?? 0)) }
}
