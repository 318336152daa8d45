import {
  columnBytes,
  type FactorColumns,
  type FactorStep,
  type FactorValues,
  type InverseSpan,
  type PanelRange,
  panelOffset,
  panelRowsOf,
  zerosAs,
} from '../contract/factor.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

/** Rows whose panels are computed together: what they hold stays small, and so does what is read of the pivots for them. */
const solvedAtOnce = 128
/** Rows of Y that are computed together; `BLOCK` of assembly/factor.template.mjs. */
const rowsAtOnce = 64

function exportsFor(wasm: KernelExports, values: FactorValues) {
  return values instanceof Float32Array
    ? { pivots: wasm.factorPivots32, solve: wasm.solvePanels32, invert: wasm.invertRows32, store: wasm.storeColumns32 }
    : { pivots: wasm.factorPivots64, solve: wasm.solvePanels64, invert: wasm.invertRows64, store: wasm.storeColumns64 }
}

/** The first columns of panels of L, whose packed values begin with panel `range.start`, `stride` bytes apart. */
function placePanels(
  arena: Arena,
  lower: FactorValues,
  { at, stride, base, range }: { at: number; stride: number; base: number; range: PanelRange },
): void {
  const panelRows = panelRowsOf(lower)
  for (let panel = range.start; panel < range.end; panel++) {
    const from = panelOffset(panel, panelRows) - panelOffset(base, panelRows)
    const count = Math.min(stride / lower.BYTES_PER_ELEMENT, panelRows * panelRows * (panel + 1))
    arena.write(at + (panel - range.start) * stride, lower.subarray(from, from + count))
  }
}

export function factorColumns(
  wasm: KernelExports,
  arena: Arena,
  { pivots, rows, step }: { pivots: FactorValues; rows: FactorValues; step: FactorStep },
): FactorColumns {
  const { first, end, panels } = step
  const { pivots: factorPivots, solve } = exportsFor(wasm, pivots)
  const panelRows = panelRowsOf(pivots)
  const stride = end * columnBytes
  const width = end - first
  const own = { start: first / panelRows, end: end / panelRows }
  const partBytes = width * columnBytes
  /** The step's columns of panels that lie at `at`, into the places of panels from `place` on. */
  const copyColumns = (at: number, panelCount: number, to: FactorValues, place: number): void => {
    const bytes = new Uint8Array(to.buffer)
    for (let i = 0; i < panelCount; i++) {
      bytes.set(arena.view(at + i * stride + first * columnBytes, partBytes), (place + i) * partBytes)
    }
  }
  arena.reset()
  const pivotsAt = arena.take((own.end - own.start) * stride)
  placePanels(arena, pivots, { at: pivotsAt, stride, base: own.start, range: own })
  const failed = factorPivots(pivotsAt, stride, first, width)
  if (failed !== 0) return { kind: 'not-positive-definite', row: first + failed - 1 }
  const found = zerosAs(rows, (panels.end - panels.start) * width * panelRows)
  const panelsAtOnce = solvedAtOnce / panelRows
  const at = arena.take(panelsAtOnce * stride)
  for (let start = panels.start; start < panels.end; start += panelsAtOnce) {
    const group = { start, end: Math.min(panels.end, start + panelsAtOnce) }
    placePanels(arena, rows, { at, stride, base: panels.start, range: group })
    solve(pivotsAt, stride, first, width, at, group.end - start)
    copyColumns(at, group.end - start, found, start - panels.start)
  }
  const ownFound = zerosAs(pivots, (own.end - own.start) * width * panelRows)
  copyColumns(pivotsAt, own.end - own.start, ownFound, 0)
  return { kind: 'columns', pivots: ownFound, rows: found }
}

export function invertColumns(
  wasm: KernelExports,
  arena: Arena,
  { lower, span }: { lower: FactorValues; span: InverseSpan },
): Float32Array<ArrayBuffer> {
  const { panels, columns } = span
  const { invert, store } = exportsFor(wasm, lower)
  const panelRows = panelRowsOf(lower)
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
      const from = panelOffset(panel, panelRows) - panelOffset(panels.start, panelRows)
      const values = lower.subarray(from + origin * panelRows, from + panelRows * panelRows * (panel + 1))
      arena.write(rows + (panel - start) * stride, values)
    }
    invert(rows, inverse, stride, panels.start, panels.end, first, end)
  }
  const upper = arena.take(4 * (columns - origin) * width)
  store(inverse, stride, columns - origin, width, upper)
  return arena.floats(upper, (columns - origin) * width)
}
