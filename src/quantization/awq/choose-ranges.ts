import type { Kernels, MatrixShape } from '../../kernels/contract/kernels.ts'
import { gramColumnsAtOnce } from '../transform.ts'

type Floats = Float32Array<ArrayBuffer>

/** Times over all groups of a row. */
const sweeps = 2
const mirrorRows = 32

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

const none = new Float32Array(0)

/** For every group the number of the try that loses least by itself; the first of equals, and where nothing can be told. [rows, groups]. */
export function chooseAlone(tries: readonly RangeTry[]): Uint8Array {
  return Uint8Array.from({ length: tries[0]?.losses.length ?? 0 }, (_, loss) =>
    leastOf(tries, none, { loss, error: 0, slope: 0, width: 0 }),
  )
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
  const choices = new Choices(tries, chosen, { rows, columns, span })
  // Slopes of so many are computed at once, and then follow the choices among them: the more, the seldomer all errors are handed over.
  const groupsAtOnce = Math.max(1, Math.floor(gramColumnsAtOnce / span))
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let first = 0; first < groups; first += groupsAtOnce) {
      const last = Math.min(groups, first + groupsAtOnce) - 1
      const from = first * span
      const width = Math.min(columns, (last + 1) * span) - from
      const stripe = gramColumns(gram, columns, { start: from, end: from + width })
      /** Slopes of the stripe's columns by these rows of errors, added to those there are, [rows, width]. */
      const add = (slopes: Floats, part: Floats, start: number): Promise<Floats> => {
        const count = part.length / rows
        const right = { data: stripe.subarray(start * width, (start + count) * width), rows: count, columns: width }
        return kernels.accumulateProduct(slopes, { data: part, rows: count, columns: rows }, right, signal)
      }
      choices.leave(first)
      let slopes = await add(new Float32Array(rows * width), choices.errors, 0)
      for (let group = first; group <= last; group++) {
        choices.choose(group, slopes, { from, width })
        if (group < last) slopes = await add(slopes, choices.exchange(group), group * span)
      }
    }
  }
  return choices.chosen
}

/** What is chosen so far. Apart from the function above because V8 runs loops of a function slowly after each of its waits. */
class Choices {
  readonly chosen: Uint8Array
  /** Errors of what is chosen, [columns, rows]: the kernel multiplies by the transpose of its left. 0 in the group in question. */
  readonly errors: Floats
  readonly #tries: readonly RangeTry[]
  readonly #shape: Omit<Shape, 'gram'>
  readonly #groups: number

  constructor(tries: readonly RangeTry[], chosen: Uint8Array, shape: Omit<Shape, 'gram'>) {
    this.#tries = tries
    this.#shape = shape
    this.chosen = chosen.slice()
    this.errors = new Float32Array(shape.rows * shape.columns)
    this.#groups = chosen.length / shape.rows
    for (const [at, k] of chosen.entries()) this.#take(Math.floor(at / this.#groups), at % this.#groups, k)
  }

  leave(group: number): void {
    const { rows, span } = this.#shape
    this.errors.fill(0, group * span * rows, (group + 1) * span * rows)
  }

  /** Takes for each row what loses least by the slopes of columns `from` on, [rows, width]. */
  choose(group: number, slopes: Floats, { from, width }: { readonly from: number; readonly width: number }): void {
    const { rows, columns, span } = this.#shape
    const start = group * span
    const count = Math.min(columns, start + span) - start
    for (let row = 0; row < rows; row++) {
      const at = { loss: row * this.#groups + group, error: row * columns + start, slope: row * width + start - from, width: count }
      this.#take(row, group, leastOf(this.#tries, slopes, at))
    }
  }

  /** The change of `errors` when this group's come in and those of the next go out: of both groups' columns, [columns, rows]. */
  exchange(group: number): Floats {
    const { rows, span } = this.#shape
    const change = this.errors.slice(group * span * rows, (group + 2) * span * rows)
    for (let i = span * rows; i < change.length; i++) change[i] = -(change[i] ?? 0)
    this.leave(group + 1)
    return change
  }

  #take(row: number, group: number, k: number): void {
    const { rows, columns, span } = this.#shape
    const errors = this.#tries[k]?.errors
    this.chosen[row * this.#groups + group] = k
    const end = Math.min(columns, (group + 1) * span)
    for (let j = group * span; j < end; j++) this.errors[j * rows + row] = errors?.[row * columns + j] ?? 0
  }
}

/** Multiply-adds of `chooseTogether`. */
export function togetherOperations({ rows, columns }: MatrixShape): number {
  return sweeps * rows * columns * columns
}

/** The number of the try with the least d G d^T + 2 d u, where u are the slopes; of equals the first. */
function leastOf(
  tries: readonly RangeTry[],
  slopes: Floats,
  at: { readonly loss: number; readonly error: number; readonly slope: number; readonly width: number },
): number {
  let best = 0
  let least = Infinity
  for (const [k, { errors, losses }] of tries.entries()) {
    let shared = 0
    for (let j = 0; j < at.width; j++) shared += (errors[at.error + j] ?? 0) * (slopes[at.slope + j] ?? 0)
    const loss = (losses[at.loss] ?? 0) + 2 * shared
    if (!(loss < least)) continue
    least = loss
    best = k
  }
  return best
}

/** G[:, start .. end] from its upper triangle: what lies above the diagonal, then what is mirrored. */
function gramColumns(gram: Floats, columns: number, { start, end }: { readonly start: number; readonly end: number }): Floats {
  const width = end - start
  const result = new Float32Array(columns * width)
  for (let i = 0; i < end; i++) {
    const from = Math.max(start, i)
    result.set(gram.subarray(i * columns + from, i * columns + end), i * width + from - start)
  }
  // In blocks of rows, which stay in the cache while columns are written into them.
  for (let block = start; block < columns; block += mirrorRows) {
    const last = Math.min(columns, block + mirrorRows)
    for (let j = start; j < end; j++) {
      for (let i = Math.max(block, j + 1); i < last; i++) result[i * width + j - start] = gram[j * columns + i] ?? 0
    }
  }
  return result
}
