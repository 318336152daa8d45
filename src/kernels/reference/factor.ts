import { type FactorColumns, type FactorStep, type InverseSpan, type PanelRange, panelOffset, panelRows } from '../contract/factor.ts'

/** L by row and column, in panels from one on: the others are not there. */
class Panels {
  readonly #values: Float64Array
  readonly #start: number

  constructor(values: Float64Array, start: number) {
    this.#values = values
    this.#start = start
  }

  at(row: number, column: number): number {
    const panel = Math.floor(row / panelRows)
    const offset = panelOffset(panel) - panelOffset(this.#start)
    return this.#values[offset + panelRows * column + (row % panelRows)] ?? 0
  }

  set(row: number, column: number, value: number): void {
    const panel = Math.floor(row / panelRows)
    this.#values[panelOffset(panel) - panelOffset(this.#start) + panelRows * column + (row % panelRows)] = value
  }
}

/** One element after the other, each sum in the order of the columns. */
export function factorColumns(pivots: Float64Array, rows: Float64Array, { first, end, panels }: FactorStep): FactorColumns {
  const own = new Panels(pivots.slice(), first / panelRows)
  const below = new Panels(rows.slice(), panels.start)
  const reduced = (from: Panels, row: number, column: number): number => {
    let sum = from.at(row, column)
    for (let k = 0; k < column; k++) sum -= from.at(row, k) * own.at(column, k)
    return sum
  }
  for (let row = first; row < end; row++) {
    for (let column = first; column < row; column++) own.set(row, column, reduced(own, row, column) * own.at(column, column))
    const pivot = reduced(own, row, row)
    if (!(pivot > 0 && pivot < Infinity)) return { kind: 'not-positive-definite', row }
    own.set(row, row, 1 / Math.sqrt(pivot))
  }
  for (let row = panelRows * panels.start; row < panelRows * panels.end; row++) {
    for (let column = first; column < end; column++) below.set(row, column, reduced(below, row, column) * own.at(column, column))
  }
  const ownPanels = { start: first / panelRows, end: end / panelRows }
  return { kind: 'columns', pivots: columnsOf(own, ownPanels, { first, end }), rows: columnsOf(below, panels, { first, end }) }
}

function columnsOf(panels: Panels, { start, end }: PanelRange, columns: { first: number; end: number }): Float64Array<ArrayBuffer> {
  const width = columns.end - columns.first
  const values = new Float64Array((end - start) * width * panelRows)
  for (let row = panelRows * start; row < panelRows * end; row++) {
    for (let column = columns.first; column < Math.min(columns.end, row + 1); column++) {
      const panel = Math.floor(row / panelRows) - start
      values[(panel * width + column - columns.first) * panelRows + (row % panelRows)] = panels.at(row, column)
    }
  }
  return values
}

/** Y by columns: L Y = I. */
export function invertColumns(lower: Float64Array, { panels, columns }: InverseSpan): Float32Array<ArrayBuffer> {
  const l = new Panels(lower, panels.start)
  const first = panelRows * panels.start
  const end = Math.min(columns, panelRows * panels.end)
  const width = end - first
  const upper = new Float32Array((columns - first) * width)
  const column = new Float64Array(columns)
  for (let j = first; j < end; j++) {
    for (let i = j; i < columns; i++) {
      let sum = i === j ? 1 : 0
      for (let k = j; k < i; k++) sum -= l.at(i, k) * (column[k] ?? 0)
      column[i] = sum * l.at(i, i)
      upper[(columns - 1 - i) * width + (end - 1 - j)] = column[i] ?? 0
    }
  }
  return upper
}
