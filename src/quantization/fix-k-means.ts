import type { KMeansParams } from '../kernels/contract/k-means.ts'
import type { Matrix } from '../kernels/contract/kernels.ts'
import type { FixedGrid, FixOptions } from './fixed-grid.ts'
import { packRows } from './pack-rows.ts'

/** Tables as k-means places them, by importance where it is known; the codes are chosen anew. */
export async function fixKMeans(
  name: string,
  weight: Matrix,
  { bits, group }: KMeansParams,
  { importance, kernels, signal }: Pick<FixOptions, 'importance' | 'kernels' | 'signal'>,
): Promise<FixedGrid> {
  const { rows, columns } = weight
  const nearest = await kernels.quantizeKMeans(weight, { bits, group }, { importance }, signal)
  const count = nearest.centroids.length / 2 ** bits
  return {
    kind: 'fixed',
    groupSize: typeof group === 'number' ? group : columns,
    grid: {
      kind: 'levels',
      levels: nearest.centroids,
      tables: 'by group',
      scales: new Float32Array(count).fill(1),
      offsets: new Float32Array(count),
    },
    finish: ({ codes }) => ({
      name,
      rows,
      columns,
      encoding: 'k-means',
      kMeans: { ...nearest, codes: packRows(codes, weight, bits) },
    }),
  }
}
