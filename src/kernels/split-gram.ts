import { throwIfAborted } from '../core/errors.ts'
import type { Matrix } from './contract/kernels.ts'
import { type GramStripe, gramTokenBlock } from './contract/operations.ts'
import type { Cut, KernelExecutor } from './executor.ts'
import { requireLength } from './faults.ts'
import type { RowRange } from './pieces.ts'

/** Bytes a stripe of the Gram matrix may have: what a thread holds beside the tokens it works on. */
const stripeBytes = 16 * 2 ** 20
/** Bytes of tokens that go with a stripe: large, since the stripe is copied in and out for each. */
const tokenBytes = 32 * 2 ** 20
/** Bytes of rows of a difference that go with a stripe. */
const deltaBytes = 16 * 2 ** 20
/** More than one, so that a thread that is slowed down gets less to do; few, since each packs the tokens anew. */
const stripesPerThread = 2
/** Rows of a stripe come in multiples of the tile that backends compute at once. */
const stripeStep = 8

/**
 * Cuts the upper triangle into stripes of about equal area, `parts` of them or more where memory asks for it. The result
 * does not depend on the cut: every element of the Gram matrix is one sum in token order.
 */
export function gramStripes(columns: number, parts: number): RowRange[] {
  const share = (columns * columns) / 2 / parts
  const stripes: RowRange[] = []
  let start = 0
  while (start < columns) {
    const width = columns - start
    // Rows r of a stripe of area r (width - r / 2) = share.
    const balanced = width - Math.sqrt(Math.max(0, width * width - 2 * share))
    const bounded = Math.min(balanced, stripeBytes / (4 * width))
    const rows = Math.max(1, Math.floor(bounded / stripeStep)) * stripeStep
    const end = Math.min(columns, start + rows)
    stripes.push({ start, end })
    start = end
  }
  return stripes
}

/** The stripe as a buffer of its own. Below the diagonal inside the stripe stands whatever the matrix holds there. */
function stripeOf(gram: Float32Array, columns: number, { start, end }: RowRange): GramStripe {
  const rows = end - start
  const width = columns - start
  const stripe = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    stripe.set(gram.subarray((start + row) * columns + start, (start + row + 1) * columns), row * width)
  }
  return { gram: stripe, rows, width }
}

function rowsOfMatrix({ data, columns }: Matrix, { start, end }: RowRange, cut: Cut): Matrix {
  return { data: cut(data, start * columns, end * columns), rows: end - start, columns }
}

function chunks(count: number, step: number): RowRange[] {
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({ start: i * step, end: Math.min(count, (i + 1) * step) }))
}

export async function accumulateGram(
  executor: KernelExecutor,
  { gram, input }: { gram: Float32Array; input: Matrix },
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { columns } = input
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A matrix', input.data.length, input.rows * columns)
  const result = gram.slice()
  const blocks = Math.max(1, Math.floor(tokenBytes / (columns * 4 * gramTokenBlock)))
  const stripes = gramStripes(columns, executor.threads === 1 ? 1 : stripesPerThread * executor.threads)
  const data = stripes.length > 1 ? executor.share(input.data) : input.data
  for (const tokens of chunks(input.rows, blocks * gramTokenBlock)) {
    await executor.each(
      'accumulateGram',
      stripes,
      {
        argumentsOf(stripe, cut) {
          const { start, end } = stripe
          // Whole rows need no copy where the operation runs in this thread.
          const part = start === 0 ? { gram: cut(result, 0, end * columns), rows: end, width: columns } : stripeOf(result, columns, stripe)
          return [part, rowsOfMatrix({ ...input, data }, tokens, cut)]
        },
        take(part, { start, end }) {
          const width = columns - start
          for (let row = start; row < end; row++) {
            const from = (row - start) * width + (row - start)
            result.set(part.subarray(from, (row - start + 1) * width), row * columns + row)
          }
        },
      },
      signal,
    )
  }
  return result
}

export async function traceThroughGram(
  executor: KernelExecutor,
  { delta, gram }: { delta: Matrix; gram: Float32Array },
  signal: AbortSignal | undefined,
): Promise<number> {
  throwIfAborted(signal)
  const { columns } = delta
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A matrix', delta.data.length, delta.rows * columns)
  const rowsAtOnce = Math.max(1, Math.floor(deltaBytes / (columns * 4)))
  // The sum is taken by stripe, so unlike above the stripes must not follow from the number of threads.
  const stripes = gramStripes(columns, columns < 256 ? 1 : 6)
  const pieces = stripes.flatMap((stripe) => chunks(delta.rows, rowsAtOnce).map((rows) => ({ stripe, rows })))
  const parts: number[] = []
  const data = stripes.length > 1 ? executor.share(delta.data) : delta.data
  await executor.each(
    'traceThroughGram',
    pieces,
    {
      argumentsOf: ({ stripe, rows }, cut) => [stripeOf(gram, columns, stripe), rowsOfMatrix({ ...delta, data }, rows, cut)],
      take(part, _, index) {
        parts[index] = part
      },
    },
    signal,
  )
  return parts.reduce((sum, part) => sum + part, 0)
}
