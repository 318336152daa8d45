/**
 * How the factor of error feedback comes about, in pieces. H is the damped Gram matrix of n columns, its rows and columns in the
 * order of processing and then reversed; with its Cholesky factor L and Y = L^-1, U[i][j] = Y[n-1-i][n-1-j]. So no inverse
 * of H is ever formed.
 *
 * L lies in panels of R rows, 4 of f64 or 8 of f32, one behind the other: panel p as [R (p + 1)][R], column by column, up to
 * and with its diagonal, where 1 / L_ii stands. Columns that are not computed yet hold those of H. Its size is n rounded up to
 * R; what is added is a unit matrix. The arrays say which of the two it is: all steps compute in the type they are given.
 */
export type FactorValues = Float64Array | Float32Array

/** Bytes of a column of a panel. */
export const columnBytes = 32

/** Rows of a panel. */
export function panelRowsOf(values: FactorValues): number {
  return columnBytes / values.BYTES_PER_ELEMENT
}

/** Zeros in the same type. */
export function zerosAs(values: FactorValues, length: number): Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> {
  return values instanceof Float32Array ? new Float32Array(length) : new Float64Array(length)
}

/**
 * Columns of L that are computed in one step, after all before them. Part of the result, since it fixes the order of sums:
 * a multiple of 8.
 */
export const factorBlock = 128

/** Elements of L before a panel of so many rows. */
export function panelOffset(panel: number, panelRows: number): number {
  return (panelRows * panelRows * panel * (panel + 1)) / 2
}

/** A range of panels; `end` is exclusive. */
export interface PanelRange {
  readonly start: number
  readonly end: number
}

export interface FactorStep {
  /** Columns [first, end) of L are computed; those before are final. */
  readonly first: number
  readonly end: number
  /** The panels that are given beside those of the columns' own rows: all of them below. */
  readonly panels: PanelRange
}

export type FactorColumns =
  | {
      readonly kind: 'columns'
      /** Of the columns' own rows, [(end - first) / R][end - first][R]; 0 above the diagonal. */
      readonly pivots: FactorValues
      /** Of the panels given, [panels][end - first][R]. */
      readonly rows: FactorValues
    }
  | {
      readonly kind: 'not-positive-definite'
      /** The row of L whose pivot was not above 0. */
      readonly row: number
    }

export interface InverseSpan {
  /** Panels of R columns of Y that are computed. */
  readonly panels: PanelRange
  /** Columns of the Gram matrix. */
  readonly columns: number
}
