import { type FactorColumns, type FactorStep, type InverseSpan, type PanelRange, panelOffset, panelRows } from '../contract/factor.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

/** Bytes of a column of a panel. */
const columnBytes = 8 * panelRows
/** Panels that are computed together: what they hold stays small, and so does what is read of the pivots for them. */
const panelsAtOnce = 32
/** Rows of Y that are computed together; `BLOCK` of assembly/factor.template.mjs. */
const rowsAtOnce = 64

/** The first columns of panels of L, whose packed values begin with panel `range.start`, `stride` bytes apart. */
function placePanels(
  arena: Arena,
  lower: Float64Array,
  { at, stride, base, range }: { at: number; stride: number; base: number; range: PanelRange },
): void {
  for (let panel = range.start; panel < range.end; panel++) {
    const from = panelOffset(panel) - panelOffset(base)
    const count = Math.min(stride / 8, panelOffset(panel + 1) - panelOffset(panel))
    arena.write(at + (panel - range.start) * stride, lower.subarray(from, from + count))
  }
}

export function factorColumns(
  wasm: KernelExports,
  arena: Arena,
  { pivots, rows, step }: { pivots: Float64Array; rows: Float64Array; step: FactorStep },
): FactorColumns {
  const { first, end, panels } = step
  const stride = end * columnBytes
  const width = end - first
  const own = { start: first / panelRows, end: end / panelRows }
  const partBytes = width * columnBytes
  /** The step's columns of panels that lie at `at`, into the places of panels from `place` on. */
  const copyColumns = (at: number, panelCount: number, to: Float64Array<ArrayBuffer>, place: number): void => {
    const bytes = new Uint8Array(to.buffer)
    for (let i = 0; i < panelCount; i++) {
      bytes.set(arena.view(at + i * stride + first * columnBytes, partBytes), (place + i) * partBytes)
    }
  }
  arena.reset()
  const pivotsAt = arena.take((own.end - own.start) * stride)
  placePanels(arena, pivots, { at: pivotsAt, stride, base: own.start, range: own })
  const failed = wasm.factorPivots(pivotsAt, stride, first, width)
  if (failed !== 0) return { kind: 'not-positive-definite', row: first + failed - 1 }
  const found = new Float64Array((panels.end - panels.start) * width * panelRows)
  const at = arena.take(panelsAtOnce * stride)
  for (let start = panels.start; start < panels.end; start += panelsAtOnce) {
    const group = { start, end: Math.min(panels.end, start + panelsAtOnce) }
    placePanels(arena, rows, { at, stride, base: panels.start, range: group })
    wasm.solvePanels(pivotsAt, stride, first, width, at, group.end - start)
    copyColumns(at, group.end - start, found, start - panels.start)
  }
  const ownFound = new Float64Array((own.end - own.start) * width * panelRows)
  copyColumns(pivotsAt, own.end - own.start, ownFound, 0)
  return { kind: 'columns', pivots: ownFound, rows: found }
}

export function invertColumns(
  wasm: KernelExports,
  arena: Arena,
  { lower, span }: { lower: Float64Array; span: InverseSpan },
): Float32Array<ArrayBuffer> {
  const { panels, columns } = span
  const origin = panels.start * panelRows
  const size = Math.ceil(columns / panelRows) * panelRows
  const width = Math.min(columns, panels.end * panelRows) - origin
  const stride = (size - origin) * columnBytes
  arena.reset()
  const inverse = arena.takeZeroed((panels.end - panels.start) * stride)
  const rows = arena.take((rowsAtOnce / panelRows) * stride)
  for (let first = origin - (origin % rowsAtOnce); first < size; first += rowsAtOnce) {
    const end = Math.min(size, first + rowsAtOnce)
    const start = Math.max(first, origin) / panelRows
    for (let panel = start; panel < end / panelRows; panel++) {
      const from = panelOffset(panel) - panelOffset(panels.start)
      const values = lower.subarray(from + origin * panelRows, from + panelOffset(panel + 1) - panelOffset(panel))
      arena.write(rows + (panel - start) * stride, values)
    }
    wasm.invertRows(rows, inverse, stride, panels.start, panels.end, first, end)
  }
  const upper = arena.take(4 * (columns - origin) * width)
  wasm.storeColumns(inverse, stride, columns - origin, width, upper)
  return arena.floats(upper, (columns - origin) * width)
}
