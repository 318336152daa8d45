import { throwIfAborted } from '../core/errors.ts'
import { type FactorColumns, factorBlock, type PanelRange, panelOffset, panelRows } from './contract/factor.ts'
import type { FactorOptions, InverseFactor } from './contract/feedback.ts'
import type { KernelExecutor } from './executor.ts'
import { contractBroken, requireOrder } from './faults.ts'

/** Fewer rows are not worth a message of their own: each computes the step's own rows as well. */
const leastPanels = 64
/** Bytes of columns of Y that a thread holds while the rows of L pass by. */
const inverseBytes = 16 * 2 ** 20

/** The steps follow each other, the rows of each and then the columns of the inverse are split; their sums do not depend on it. */
export async function factorInverse(
  executor: KernelExecutor,
  { gram, options }: { gram: Float32Array; options: FactorOptions },
  signal: AbortSignal | undefined,
): Promise<InverseFactor> {
  throwIfAborted(signal)
  const columns = Math.sqrt(gram.length)
  if (!Number.isInteger(columns)) throw contractBroken(`A Gram matrix is square; this one holds ${gram.length} elements.`)
  if (!(options.damping >= 0 && options.damping < Infinity)) throw contractBroken(`Damping is ${options.damping}.`)
  const { order } = options
  if (order !== null) requireOrder(order, columns)
  const size = Math.ceil(columns / panelRows) * panelRows
  const lower = new Float64Array(executor.memory(8 * panelOffset(size / panelRows)))
  fillReversed(lower, gram, options)
  for (let first = 0; first < size; first += factorBlock) {
    const failed = await factorStep(executor, { lower, size, first }, signal)
    if (failed === null) continue
    const position = columns - 1 - failed
    return { kind: 'not-positive-definite', column: order?.[position] ?? position }
  }
  return { kind: 'factor', upper: await invertedColumns(executor, { lower, size, columns }, signal) }
}

/** Columns [first, first + `factorBlock`) of L; the row whose pivot failed, else null. */
async function factorStep(
  executor: KernelExecutor,
  { lower, size, first }: { lower: Float64Array; size: number; first: number },
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const end = Math.min(size, first + factorBlock)
  const width = end - first
  const own = { start: first / panelRows, end: end / panelRows }
  const place = (values: Float64Array, { start, end: last }: PanelRange): void => {
    for (let panel = start; panel < last; panel++) {
      const from = (panel - start) * width * panelRows
      const count = Math.min(width, panelRows * (panel + 1) - first) * panelRows
      lower.set(values.subarray(from, from + count), panelOffset(panel) + first * panelRows)
    }
  }
  const shares = sharesOf({ start: own.end, end: size / panelRows }, executor.threads)
  const parts: FactorColumns[] = []
  await executor.each(
    'factorColumns',
    shares,
    {
      argumentsOf: (panels, cut) => [
        cut(lower, panelOffset(own.start), panelOffset(own.end)),
        cut(lower, panelOffset(panels.start), panelOffset(panels.end)),
        { first, end, panels },
      ],
      take(part, _, index) {
        parts[index] = part
      },
    },
    signal,
  )
  // Only now: threads look at what lies in shared memory until all of them have answered.
  for (const [index, part] of parts.entries()) {
    if (part.kind === 'not-positive-definite') return part.row
    if (index === 0) place(part.pivots, own)
    place(part.rows, shares[index] ?? own)
  }
  return null
}

/** Panels in one share a thread, at least one share even of none: it computes the step's own rows. */
function sharesOf({ start, end }: PanelRange, threads: number): readonly PanelRange[] {
  const count = Math.max(1, Math.min(threads, Math.floor((end - start) / leastPanels)))
  const at = (share: number): number => start + Math.floor((share * (end - start)) / count)
  return Array.from({ length: count }, (_, share) => ({ start: at(share), end: at(share + 1) }))
}

async function invertedColumns(
  executor: KernelExecutor,
  { lower, size, columns }: { lower: Float64Array; size: number; columns: number },
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const last = size / panelRows
  const upper = new Float32Array(executor.memory(4 * columns * columns))
  await executor.each(
    'invertColumns',
    inversePieces(last, executor.threads),
    {
      argumentsOf: (panels, cut) => [cut(lower, panelOffset(panels.start), panelOffset(last)), { panels, columns }],
      take(part, { start, end }) {
        const [first, stop] = [panelRows * start, Math.min(columns, panelRows * end)]
        const width = stop - first
        for (let row = 0; row < columns - first; row++) {
          upper.set(part.subarray(row * width, (row + 1) * width), (row + 1) * columns - stop)
        }
      },
    },
    signal,
  )
  return upper
}

/** Panels of columns, those that cost most first. */
function inversePieces(panels: number, threads: number): readonly PanelRange[] {
  const pieces: PanelRange[] = []
  const most = threads === 1 ? panels : Math.ceil(panels / (4 * threads))
  for (let start = 0; start < panels; ) {
    const bounded = Math.max(1, Math.floor(inverseBytes / (8 * panelRows * panelRows * (panels - start))))
    const end = Math.min(panels, start + Math.min(most, bounded))
    pieces.push({ start, end })
    start = end
  }
  return pieces
}

/** The reversed, damped matrix to the panels of L, which hold zeros; `gram` is given by its upper triangle. */
function fillReversed(lower: Float64Array, gram: Float32Array, { order, damping }: FactorOptions): void {
  const columns = Math.sqrt(gram.length)
  const size = Math.ceil(columns / panelRows) * panelRows
  const columnAt = Int32Array.from({ length: columns }, (_, row) => order?.[columns - 1 - row] ?? columns - 1 - row)
  for (let row = 0; row < size; row++) {
    const start = panelOffset(Math.floor(row / panelRows)) + (row % panelRows)
    if (row >= columns) {
      lower[start + row * panelRows] = 1
      continue
    }
    const i = columnAt[row] ?? 0
    for (let column = 0; column <= row; column++) {
      const j = columnAt[column] ?? 0
      lower[start + column * panelRows] = gram[i < j ? i * columns + j : j * columns + i] ?? 0
    }
    lower[start + row * panelRows] = (gram[i * columns + i] ?? 0) + damping
  }
}
