import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { widestGroup } from '../../kernels/contract/operations.ts'
import { transposed } from '../transposed.ts'

type Floats = Float32Array<ArrayBuffer>

/** Times over all groups of a row. Each step is exact for its group, so that the loss never rises. */
const sweeps = 2
/** Scales stay within a factor of where they were: what wants more has next to no curvature. */
const reach = 2

/**
 * The scales that fit given codes best: factors f, [rows, groups], for the values v of every group of a row, with the least
 * (w - f v) G (w - f v)^T. Group after group the minimum in f alone, while D G of D = w - f v follows; `null` for groups wider
 * than `widestGroup`, unless a row is one.
 */
export async function refitScales(
  weight: Matrix,
  values: Floats,
  options: { readonly gram: Floats; readonly groupSize: number; readonly kernels: Kernels; readonly signal?: AbortSignal | undefined },
): Promise<Floats | null> {
  const { gram, groupSize, kernels, signal } = options
  const { rows, columns, data } = weight
  const groups = Math.ceil(columns / groupSize)
  if (groups > 1 && groupSize > widestGroup) return null
  const whole: Matrix = { data: mirrored(gram, columns), rows: columns, columns }
  const through = (matrix: Floats): Promise<Floats> =>
    kernels.accumulateProduct(
      new Float32Array(rows * columns),
      { data: transposed(matrix, columns), rows: columns, columns: rows },
      whole,
      signal,
    )
  const curvatures =
    groups === 1
      ? rowDots(await through(values), values, rows)
      : await kernels.groupLosses({ ...weight, data: values }, gram, groupSize, signal)
  let products = await through(data.map((value, i) => value - (values[i] ?? 0)))
  const factors = new Float32Array(rows * groups).fill(1)
  for (let sweep = 0; sweep < (groups === 1 ? 1 : sweeps); sweep++) {
    for (let group = 0; group < groups; group++) {
      const [start, end] = [group * groupSize, Math.min(columns, (group + 1) * groupSize)]
      const change = new Float32Array((end - start) * rows)
      for (let row = 0; row < rows; row++) {
        const at = row * groups + group
        const before = factors[at] ?? 1
        const curvature = curvatures[at] ?? 0
        let slope = 0
        for (let j = row * columns + start; j < row * columns + end; j++) slope += (products[j] ?? 0) * (values[j] ?? 0)
        const after = curvature > 0 ? Math.min(reach, Math.max(1 / reach, before + slope / curvature)) : before
        factors[at] = after
        const moved = (factors[at] ?? 1) - before
        for (let j = start; j < end; j++) change[(j - start) * rows + row] = -moved * (values[row * columns + j] ?? 0)
      }
      const part = { data: whole.data.subarray(start * columns, end * columns), rows: end - start, columns }
      products = await kernels.accumulateProduct(products, { data: change, rows: end - start, columns: rows }, part, signal)
    }
  }
  return factors
}

/** G from its upper triangle. */
function mirrored(gram: Floats, columns: number): Floats {
  const whole = gram.slice()
  for (let i = 0; i < columns; i++) for (let j = 0; j < i; j++) whole[i * columns + j] = gram[j * columns + i] ?? 0
  return whole
}

/** SUM a b of each row. */
function rowDots(a: Floats, b: Floats, rows: number): Float64Array {
  const columns = a.length / rows
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let i = row * columns; i < (row + 1) * columns; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
    return sum
  })
}
