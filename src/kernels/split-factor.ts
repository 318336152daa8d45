import { throwIfAborted } from '../core/errors.ts'
import {
  columnBytes,
  type FactorColumns,
  type FactorValues,
  factorBlock,
  type PanelRange,
  panelOffset,
  panelRowsOf,
} from './contract/factor.ts'
import { type FactorOptions, f32Columns, type InverseFactor, largestF32Residual } from './contract/feedback.ts'
import type { KernelExecutor } from './executor.ts'
import { factorResidual } from './factor-residual.ts'
import { contractBroken, requireOrder } from './faults.ts'

/** Fewer rows are not worth a message of their own: each computes the step's own rows as well. */
const leastRows = 256
/** Bytes of columns of Y that a thread holds while the rows of L pass by. */
const inverseBytes = 16 * 2 ** 20

/** L on its way, whose type is the one that everything is computed in. */
interface Lower {
  readonly lower: FactorValues
  /** Rows, rounded up to panels. */
  readonly size: number
}

/** In f32 where that is worth trying, in f64 where it was not tried or did not hold. */
export async function factorInverse(
  executor: KernelExecutor,
  { gram, options }: { gram: Float32Array; options: FactorOptions },
  signal: AbortSignal | undefined,
): Promise<InverseFactor> {
  throwIfAborted(signal)
  const columns = Math.sqrt(gram.length)
  if (!Number.isInteger(columns)) throw contractBroken(`A Gram matrix is square; this one holds ${gram.length} elements.`)
  if (!(options.damping >= 0 && options.damping < Infinity)) throw contractBroken(`Damping is ${options.damping}.`)
  const { order, f32From = f32Columns } = options
  if (order !== null) requireOrder(order, columns)
  // One room for both attempts.
  const memory = executor.memory(Math.max(lowerBytes(columns, 4), lowerBytes(columns, 8)))
  const upper = new Float32Array(executor.memory(4 * columns * columns))
  const isTriedInF32 = columns >= f32From
  let f32Residual: number | null = null
  if (isTriedInF32) {
    const failed = await factorTo(executor, { lower: new Float32Array(memory), gram, options, upper }, signal)
    f32Residual = failed === null ? factorResidual(upper, gram, options) : Infinity
    if (f32Residual <= largestF32Residual) return { kind: 'factor', upper, computedIn: 'f32', f32Residual }
  }
  const lower = new Float64Array(memory)
  if (isTriedInF32) lower.fill(0)
  const failed = await factorTo(executor, { lower, gram, options, upper }, signal)
  if (failed === null) return { kind: 'factor', upper, computedIn: 'f64', f32Residual }
  const position = columns - 1 - failed
  return { kind: 'not-positive-definite', column: order?.[position] ?? position }
}

/** Bytes of L in panels of so many rows. */
function lowerBytes(columns: number, panelRows: number): number {
  return (panelOffset(Math.ceil(columns / panelRows), panelRows) * columnBytes) / panelRows
}

/** U to `upper` by way of L in `lower`, which holds zeros; the row of L whose pivot failed, else null. */
async function factorTo(
  executor: KernelExecutor,
  { lower, gram, options, upper }: { lower: FactorValues; gram: Float32Array; options: FactorOptions; upper: Float32Array },
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const columns = Math.sqrt(gram.length)
  const panelRows = panelRowsOf(lower)
  const size = Math.ceil(columns / panelRows) * panelRows
  fillReversed({ lower, size }, gram, options)
  for (let first = 0; first < size; first += factorBlock) {
    const failed = await factorStep(executor, { lower, size, first }, signal)
    if (failed !== null) return failed
  }
  await invertTo(executor, { lower, size, upper, columns }, signal)
  return null
}

/** Columns [first, first + `factorBlock`) of L; the row whose pivot failed, else null. */
async function factorStep(
  executor: KernelExecutor,
  { lower, size, first }: Lower & { readonly first: number },
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const panelRows = panelRowsOf(lower)
  const offsetOf = (panel: number): number => panelOffset(panel, panelRows)
  const end = Math.min(size, first + factorBlock)
  const width = end - first
  const own = { start: first / panelRows, end: end / panelRows }
  const place = (values: FactorValues, { start, end: last }: PanelRange): void => {
    for (let panel = start; panel < last; panel++) {
      const from = (panel - start) * width * panelRows
      const count = Math.min(width, panelRows * (panel + 1) - first) * panelRows
      lower.set(values.subarray(from, from + count), offsetOf(panel) + first * panelRows)
    }
  }
  const shares = sharesOf({ start: own.end, end: size / panelRows }, Math.min(executor.threads, Math.floor((size - end) / leastRows)))
  const parts: FactorColumns[] = []
  await executor.each(
    'factorColumns',
    shares,
    {
      argumentsOf: (panels, cut) => [
        cut(lower, offsetOf(own.start), offsetOf(own.end)),
        cut(lower, offsetOf(panels.start), offsetOf(panels.end)),
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

/** Panels in so many shares, at least one share even of none: it computes the step's own rows. */
function sharesOf({ start, end }: PanelRange, most: number): readonly PanelRange[] {
  const count = Math.max(1, most)
  const at = (share: number): number => start + Math.floor((share * (end - start)) / count)
  return Array.from({ length: count }, (_, share) => ({ start: at(share), end: at(share + 1) }))
}

async function invertTo(
  executor: KernelExecutor,
  { lower, size, upper, columns }: Lower & { readonly upper: Float32Array; readonly columns: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const panelRows = panelRowsOf(lower)
  const offsetOf = (panel: number): number => panelOffset(panel, panelRows)
  const last = size / panelRows
  await executor.each(
    'invertColumns',
    inversePieces(last, panelRows, executor.threads),
    {
      argumentsOf: (panels, cut) => [cut(lower, offsetOf(panels.start), offsetOf(last)), { panels, columns }],
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
}

/** Panels of columns, those that cost most first. */
function inversePieces(panels: number, panelRows: number, threads: number): readonly PanelRange[] {
  const pieces: PanelRange[] = []
  const most = threads === 1 ? panels : Math.ceil(panels / (4 * threads))
  for (let start = 0; start < panels; ) {
    const bounded = Math.max(1, Math.floor(inverseBytes / (columnBytes * panelRows * (panels - start))))
    const end = Math.min(panels, start + Math.min(most, bounded))
    pieces.push({ start, end })
    start = end
  }
  return pieces
}

/** The reversed, damped matrix to the panels of L, which hold zeros; `gram` is given by its upper triangle. */
function fillReversed({ lower, size }: Lower, gram: Float32Array, { order, damping }: FactorOptions): void {
  const columns = Math.sqrt(gram.length)
  const panelRows = panelRowsOf(lower)
  const columnAt = Int32Array.from({ length: columns }, (_, row) => order?.[columns - 1 - row] ?? columns - 1 - row)
  for (let row = 0; row < size; row++) {
    const start = panelOffset(Math.floor(row / panelRows), panelRows) + (row % panelRows)
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
