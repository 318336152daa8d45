import type { CsvCell } from './csv.ts'

/** Where the numbers of a chart come from; printed under its picture and part of file names. */
export interface ChartSource {
  readonly model: string
  /** `windows of 256, 20,480 tokens of Bundled stories`. */
  readonly protocol: string
  /** `2026-03-01`. */
  readonly date: string
}

export interface ChartTable {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly CsvCell[])[]
}

/** Who a mark belongs to. */
export interface ChartRecipe {
  readonly id: string
  /** 0 to 7; `null` beyond the eighth. */
  readonly slot: number | null
  readonly pin: 'A' | 'B' | null
}

/** Opacity of a mark while another recipe is under the pointer or the focus. */
export const fadedOpacity = (id: string, hovered: string | null): number => (hovered === null || hovered === id ? 1 : 0.18)
