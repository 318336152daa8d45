import type { SweepGrid, SweepResult } from '../kernels/contract/feedback.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { QuantizedTensor } from './quantized-tensor.ts'

/** A grid laid out for one matrix: the values that every weight may take are known, or follow group by group. */
export interface FixedGrid {
  readonly kind: 'fixed'
  /** Columns that share a scale in a row; groups follow each other, the last one may be short. */
  readonly groupSize: number
  readonly grid: SweepGrid
  /** The tensor with these codes; encoding as `Grid.encoding` says. */
  finish(swept: SweepResult): QuantizedTensor
  /**
   * The same codes on scales times `factors`, [rows, groups], all above 0; as a file holds scales, so that the values are what
   * `finish` stores. Absent where scales are no free numbers: of a whole matrix, nested, or in the blocks of a format.
   */
  rescale?(swept: SweepResult, factors: Float32Array<ArrayBuffer>): { readonly fixed: FixedGrid; readonly swept: SweepResult }
}

/** What stands for a `FixedGrid` where the stored type takes each weight by itself; `reason` is a whole sentence. */
export interface NoFixedGrid {
  readonly kind: 'none'
  readonly reason: string
}

export interface FixOptions<Settings = unknown> {
  readonly settings: Settings
  /** The weights as the checkpoint has them; in the matrix to lay out, columns that no input uses are 0. */
  readonly source: Matrix
  /**
   * `on the way`: grids that can fit the scales of a group when rounding comes to it do so, from weights that already carry the
   * errors of others. `before`: every scale is known before the first weight is rounded.
   */
  readonly scales: 'before' | 'on the way'
  /** How much an error counts in each input column, [columns]; grids that do not search ignore it. */
  readonly importance: Float32Array<ArrayBuffer> | null
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}
