import { throwIfAborted } from '../core/errors.ts'
import type { Matrix } from './contract/kernels.ts'
import { gramTokenBlock } from './contract/operations.ts'
import type { KernelExecutor } from './executor.ts'
import { contractBroken, requireLength } from './faults.ts'
import type { RowRange } from './pieces.ts'

/** Bytes of the sum that a thread holds, and of either factor that goes with it. */
const stripeBytes = 16 * 2 ** 20
const factorBytes = 16 * 2 ** 20
/** Rows of the sum come in multiples of the tile that backends compute at once. */
const stripeStep = 8

/** Rows of the sum are cut among the threads; each of its elements is one sum in the order of n, however it is cut. */
export async function accumulateProduct(
  executor: KernelExecutor,
  { sum, left, right }: { readonly sum: Float32Array; readonly left: Matrix; readonly right: Matrix },
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const [rows, columns] = [left.columns, right.columns]
  if (left.rows !== right.rows) throw contractBroken(`Matrices of ${left.rows} and ${right.rows} rows have no product here.`)
  requireLength('A sum of products', sum.length, rows * columns)
  requireLength('A matrix', left.data.length, left.rows * rows)
  requireLength('A matrix', right.data.length, right.rows * columns)
  const result = Float32Array.from(sum)
  const step = gramTokenBlock * Math.max(1, Math.floor(factorBytes / (4 * gramTokenBlock * Math.max(rows, columns))))
  const stripes = stripesOf(rows, columns, executor.threads === 1 ? 1 : 3 * executor.threads)
  const factor = stripes.length > 1 ? executor.share(right.data) : right.data
  for (let first = 0; first < left.rows; first += step) {
    const end = Math.min(left.rows, first + step)
    await executor.each(
      'accumulateProduct',
      stripes,
      {
        argumentsOf: (stripe, cut) => [
          cut(result, stripe.start * columns, stripe.end * columns),
          columnsOf(left, { start: first, end }, stripe),
          { data: cut(factor, first * columns, end * columns), rows: end - first, columns },
        ],
        take: (part, stripe) => result.set(part, stripe.start * columns),
      },
      signal,
    )
  }
  return result
}

function stripesOf(rows: number, columns: number, parts: number): RowRange[] {
  const wanted = Math.min(rows / parts, stripeBytes / (4 * columns))
  const step = Math.max(1, Math.ceil(wanted / stripeStep)) * stripeStep
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({ start: i * step, end: Math.min(rows, (i + 1) * step) }))
}

/** `matrix[rows, columns]`, always a copy. */
function columnsOf(matrix: Matrix, rows: RowRange, columns: RowRange): Matrix {
  const width = columns.end - columns.start
  const count = rows.end - rows.start
  const data = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    const at = (rows.start + row) * matrix.columns
    data.set(matrix.data.subarray(at + columns.start, at + columns.end), row * width)
  }
  return { data, rows: count, columns: width }
}
