import type { Kernels, MatrixShape } from '../../kernels/contract/kernels.ts'

type Floats = Float32Array<ArrayBuffer>

/** Times over all groups of a row. */
const sweeps = 2

/** One way to round every group of some rows. */
export interface RangeTry {
  /** Errors of the weights, [rows, columns]. */
  readonly errors: Floats
  /** d G d^T of each group alone, [rows, groups]. */
  readonly losses: Float64Array
}

interface Shape extends MatrixShape {
  /** Columns of a group; the last of a row may be short. */
  readonly span: number
  /** G of the inputs, [columns, columns], upper triangle. */
  readonly gram: Floats
}

/** For every group the number of the try that loses least by itself; the first of equals, and where nothing can be told. [rows, groups]. */
export function chooseAlone(tries: readonly RangeTry[]): Uint8Array {
  return Uint8Array.from({ length: tries[0]?.losses.length ?? 0 }, (_, at) => leastOf(tries, ({ losses }) => losses[at] ?? 0))
}

/**
 * The same for rows as a whole, where the loss is d G d^T over all columns of a row: from `chosen` on, group after group takes what
 * loses least while the others stay as they are, so that no row ever loses more. [rows, groups].
 */
export async function chooseTogether(
  tries: readonly RangeTry[],
  chosen: Uint8Array,
  { rows, columns, span, gram }: Shape,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const groups = Math.ceil(columns / span)
  if (groups === 1) return chosen
  const result = chosen.slice()
  /** What was chosen so far, [columns, rows]: the kernel multiplies by the transpose of its left. */
  const left = { data: new Float32Array(columns * rows), rows: columns, columns: rows }
  const choose = (row: number, group: number, k: number): void => {
    result[row * groups + group] = k
    const end = Math.min(columns, (group + 1) * span)
    for (let j = group * span; j < end; j++) left.data[j * rows + row] = tries[k]?.errors[row * columns + j] ?? 0
  }
  for (const [at, k] of chosen.entries()) choose(Math.floor(at / groups), at % groups, k)
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let group = 0; group < groups; group++) {
      const [start, end] = [group * span, Math.min(columns, (group + 1) * span)]
      left.data.fill(0, start * rows, end * rows)
      const right = { data: gramColumns(gram, columns, { start, end }), rows: columns, columns: end - start }
      // What the errors of the other groups add to the slope in each column of this one, [rows, end - start].
      const slopes = await kernels.accumulateProduct(new Float32Array(rows * right.columns), left, right, signal)
      for (let row = 0; row < rows; row++) {
        const slope = slopes.subarray(row * right.columns, (row + 1) * right.columns)
        const from = row * columns + start
        choose(
          row,
          group,
          leastOf(tries, ({ errors, losses }) => (losses[row * groups + group] ?? 0) + 2 * dot(slope, errors, from)),
        )
      }
    }
  }
  return result
}

/** Multiply-adds of `chooseTogether`. */
export function togetherOperations({ rows, columns }: MatrixShape): number {
  return sweeps * rows * columns * columns
}

/** The number of the try that loses least, of equals the first. */
function leastOf(tries: readonly RangeTry[], lossOf: (one: RangeTry) => number): number {
  let best = 0
  let least = Infinity
  for (const [k, one] of tries.entries()) {
    const loss = lossOf(one)
    if (!(loss < least)) continue
    least = loss
    best = k
  }
  return best
}

function dot(slope: Floats, errors: Floats, from: number): number {
  let sum = 0
  for (let j = 0; j < slope.length; j++) sum += (slope[j] ?? 0) * (errors[from + j] ?? 0)
  return sum
}

/** G[:, start .. end] from its upper triangle. */
function gramColumns(gram: Floats, columns: number, { start, end }: { readonly start: number; readonly end: number }): Floats {
  const width = end - start
  const result = new Float32Array(columns * width)
  for (let j = start; j < end; j++) {
    for (let i = 0; i < columns; i++) result[i * width + j - start] = gram[i < j ? i * columns + j : j * columns + i] ?? 0
  }
  return result
}
