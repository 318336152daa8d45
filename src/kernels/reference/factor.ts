import {
  type FactorColumns,
  type FactorStep,
  type FactorValues,
  type InverseSpan,
  type PanelRange,
  panelOffset,
  panelRowsOf,
  zerosAs,
} from '../contract/factor.ts'

/** L by row and column, in panels from one on: the others are not there. */
class Panels {
  readonly #values: FactorValues
  readonly #rows: number
  readonly #start: number

  constructor(values: FactorValues, start: number) {
    this.#values = values
    this.#rows = panelRowsOf(values)
    this.#start = panelOffset(start, this.#rows)
  }

  at(row: number, column: number): number {
    return this.#values[this.#place(row, column)] ?? 0
  }

  set(row: number, column: number, value: number): void {
    this.#values[this.#place(row, column)] = value
  }

  #place(row: number, column: number): number {
    return panelOffset(Math.floor(row / this.#rows), this.#rows) - this.#start + this.#rows * column + (row % this.#rows)
  }
}

/** f64 is what numbers have anyway; f32 is rounded after each operation. */
function roundingOf(values: FactorValues): (value: number) => number {
  return values instanceof Float32Array ? Math.fround : (value) => value
}

/** One element after the other, each sum in the order of the columns. */
export function factorColumns(pivots: FactorValues, rows: FactorValues, { first, end, panels }: FactorStep): FactorColumns {
  const panelRows = panelRowsOf(pivots)
  const rounded = roundingOf(pivots)
  const own = new Panels(pivots.slice(), first / panelRows)
  const below = new Panels(rows.slice(), panels.start)
  const reduced = (from: Panels, row: number, column: number): number => {
    let sum = from.at(row, column)
    for (let k = 0; k < column; k++) sum = rounded(sum - rounded(from.at(row, k) * own.at(column, k)))
    return sum
  }
  for (let row = first; row < end; row++) {
    for (let column = first; column < row; column++) own.set(row, column, reduced(own, row, column) * own.at(column, column))
    const pivot = reduced(own, row, row)
    if (!(pivot > 0 && pivot < Infinity)) return { kind: 'not-positive-definite', row }
    own.set(row, row, 1 / rounded(Math.sqrt(pivot)))
  }
  for (let row = panelRows * panels.start; row < panelRows * panels.end; row++) {
    for (let column = first; column < end; column++) below.set(row, column, reduced(below, row, column) * own.at(column, column))
  }
  /** The step's columns of some panels. */
  const columnsOf = (from: Panels, { start, end: last }: PanelRange): FactorValues => {
    const width = end - first
    const values = zerosAs(pivots, (last - start) * width * panelRows)
    for (let row = panelRows * start; row < panelRows * last; row++) {
      for (let column = first; column < Math.min(end, row + 1); column++) {
        const panel = Math.floor(row / panelRows) - start
        values[(panel * width + column - first) * panelRows + (row % panelRows)] = from.at(row, column)
      }
    }
    return values
  }
  const ownPanels = { start: first / panelRows, end: end / panelRows }
  return { kind: 'columns', pivots: columnsOf(own, ownPanels), rows: columnsOf(below, panels) }
}

/** Y by columns: L Y = I. */
export function invertColumns(lower: FactorValues, { panels, columns }: InverseSpan): Float32Array<ArrayBuffer> {
  const panelRows = panelRowsOf(lower)
  const rounded = roundingOf(lower)
  const l = new Panels(lower, panels.start)
  const first = panelRows * panels.start
  const end = Math.min(columns, panelRows * panels.end)
  const width = end - first
  const upper = new Float32Array((columns - first) * width)
  const column = zerosAs(lower, columns)
  for (let j = first; j < end; j++) {
    for (let i = j; i < columns; i++) {
      let sum = i === j ? 1 : 0
      for (let k = j; k < i; k++) sum = rounded(sum - rounded(l.at(i, k) * (column[k] ?? 0)))
      column[i] = sum * l.at(i, i)
      upper[(columns - 1 - i) * width + (end - 1 - j)] = column[i] ?? 0
    }
  }
  return upper
}
