/**
 * How the factor of error feedback comes about, in pieces. H is the damped Gram matrix of n columns, its rows and columns in the
 * order of processing and then reversed; with its Cholesky factor L and Y = L^-1, U[i][j] = Y[n-1-i][n-1-j]. So no inverse
 * of H is ever formed.
 *
 * L lies in panels of 4 rows, one behind the other: panel p as [4 (p + 1)][4] f64, column by column, up to and with its
 * diagonal, where 1 / L_ii stands. Columns that are not computed yet hold those of H. Its size is n rounded up to 4; what is
 * added is a unit matrix.
 */
export const panelRows = 4

/**
 * Columns of L that are computed in one step, after all before them. Part of the result, since it fixes the order of f64 sums:
 * a multiple of 4.
 */
export const factorBlock = 128

/** Elements of L before a panel. */
export function panelOffset(panel: number): number {
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
      /** Of the columns' own rows, [(end - first) / 4][end - first][4]; 0 above the diagonal. */
      readonly pivots: Float64Array<ArrayBuffer>
      /** Of the panels given, [panels][end - first][4]. */
      readonly rows: Float64Array<ArrayBuffer>
    }
  | {
      readonly kind: 'not-positive-definite'
      /** The row of L whose pivot was not above 0. */
      readonly row: number
    }

export interface InverseSpan {
  /** Panels of 4 columns of Y that are computed. */
  readonly panels: PanelRange
  /** Columns of the Gram matrix. */
  readonly columns: number
}
