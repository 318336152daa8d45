import type { FeedbackSettings } from './settings.ts'

/**
 * Columns by position, `null` for the order they have. `use` says how much each column is used: the diagonal of G. Among equals
 * the earlier column comes first.
 */
export function columnOrder(use: Float64Array, order: FeedbackSettings['order'], groupSize: number): Int32Array<ArrayBuffer> | null {
  if (order === 'columns') return null
  const byUse = (a: number, b: number): number => (use[b] ?? 0) - (use[a] ?? 0) || a - b
  const columns = Array.from(use, (_, column) => column)
  if (order === 'act-order') return Int32Array.from(columns.sort(byUse))
  const groups = Array.from({ length: Math.ceil(use.length / groupSize) }, (_, group) =>
    columns.slice(group * groupSize, (group + 1) * groupSize).sort(byUse),
  )
  groups.sort(([a = 0], [b = 0]) => byUse(a, b))
  return Int32Array.from(groups.flat())
}

/** Group of each position. */
export function groupsOfPositions(
  columns: number,
  order: Int32Array | null,
  groupSize: number,
): { readonly groups: number; readonly groupOf: Int32Array<ArrayBuffer> } {
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor((order?.[position] ?? position) / groupSize))
  return { groups: Math.ceil(columns / groupSize), groupOf }
}
