import type { Sort } from './columns.ts'

/** `#compare?sort=kl&order=down`: the sort order of the table in the address, so that a link shows what its sender saw. */
export function sortInAddress(hash: string): Sort | null {
  const [step, query] = hash.replace(/^#/, '').split('?')
  if (step !== 'compare' || query === undefined) return null
  const parts = new URLSearchParams(query)
  const column = parts.get('sort')
  return column === null || column === '' ? null : { column, isDescending: parts.get('order') === 'down' }
}

export function addressOfSort({ column, isDescending }: Sort): string {
  return `#compare?${new URLSearchParams({ sort: column, order: isDescending ? 'down' : 'up' }).toString()}`
}

/** Next order after a press on a column's head: the same column turns round, another begins with its smallest. */
export function sortAfterPress(sort: Sort, column: string): Sort {
  return { column, isDescending: sort.column === column && !sort.isDescending }
}
