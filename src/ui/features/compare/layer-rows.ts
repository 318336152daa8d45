import type { LayerResult } from '../../../evaluation/result.ts'
import { gainOver } from './nearest-twin.ts'

/** A linear with its error in another recipe beside it. */
export interface LayerRow {
  readonly layer: LayerResult
  /** Output error of the same linear in B; `null` when B left it alone. */
  readonly other: number | null
  /** Change against the nearest twin, -0.3 is 30 % less error; `null` without one. */
  readonly gain: number | null
}

export type LayerKey = 'name' | 'grid' | 'bits' | 'error' | 'other' | 'gain' | 'sqnr' | 'relative' | 'cosine' | 'mse' | 'zeros' | 'note'

const values: Readonly<Record<Exclude<LayerKey, 'name' | 'grid'>, (row: LayerRow) => number>> = {
  bits: ({ layer }) => layer.bitsPerWeight,
  error: ({ layer }) => layer.outputError ?? Number.NEGATIVE_INFINITY,
  other: ({ other }) => other ?? Number.NEGATIVE_INFINITY,
  gain: ({ gain }) => gain ?? Number.POSITIVE_INFINITY,
  sqnr: ({ layer }) => layer.sqnrDb,
  relative: ({ layer }) => layer.relativeError,
  cosine: ({ layer }) => layer.cosine,
  mse: ({ layer }) => layer.mse,
  zeros: ({ layer }) => layer.sparsity ?? Number.NEGATIVE_INFINITY,
  note: ({ layer }) => layer.findings?.length ?? 0,
}

/** Layers with their errors in another recipe and against the nearest twin (`null`: there is none). */
export function layerRows(
  layers: readonly LayerResult[],
  others: readonly LayerResult[],
  twin: readonly LayerResult[] | null = null,
): readonly LayerRow[] {
  const errors = (of: readonly LayerResult[]): ReadonlyMap<string, number | null> =>
    new Map(of.map((layer) => [layer.name, layer.outputError]))
  const byName = errors(others)
  const ofTwin = errors(twin ?? [])
  return layers.map((layer) => ({
    layer,
    other: byName.get(layer.name) ?? null,
    gain: gainOver(layer, ofTwin.get(layer.name) ?? null),
  }))
}

/** Names sort as numbers where they hold numbers, so that block 10 follows block 9. */
const byNumber = new Intl.Collator('en', { numeric: true })

export function sortLayers(rows: readonly LayerRow[], key: LayerKey, isDescending: boolean): readonly LayerRow[] {
  const compare = (one: LayerRow, other: LayerRow): number => {
    if (key === 'name') return byNumber.compare(one.layer.name, other.layer.name)
    if (key === 'grid') return byNumber.compare(one.layer.grid, other.layer.grid)
    const a = values[key](one)
    const b = values[key](other)
    return a === b ? 0 : a - b
  }
  return rows.toSorted((one, other) => (isDescending ? -1 : 1) * compare(one, other))
}
