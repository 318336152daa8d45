import type { KMeansParams } from '../contract/k-means.ts'
import type { RealAffineFit } from '../contract/real-affine.ts'
import { bytes } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { dataKindNames, sampleImportance, sampleMatrix, tailLengths } from './inputs.ts'

const shapes = [
  ...dataKindNames.map((kind) => ({ kind, rows: 3, columns: 70 })),
  ...tailLengths.map((columns) => ({ kind: 'normal' as const, rows: 2, columns })),
]
const groups = [16, 33, 'row'] as const

const fits: readonly Omit<RealAffineFit, 'group'>[] = [
  { levels: 2, isSymmetric: true, fit: 'mean' },
  { levels: 2, isSymmetric: false, fit: 'mean' },
  { levels: 3, isSymmetric: true, fit: 'mean' },
  ...[4, 8, 16, 256].map((levels) => ({ levels, isSymmetric: false, fit: 'half-quadratic' as const })),
]

export function realAffineCases(): ConformanceCase[] {
  const grids = fits.flatMap((fit) => groups.map((group): RealAffineFit => ({ ...fit, group })))
  return grids.flatMap((fit) =>
    shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
      const symmetry = fit.isSymmetric ? 'symmetric' : 'asymmetric'
      const name = `${kind} ${rows} x ${columns}, ${fit.levels} levels ${symmetry} by ${fit.fit}, group ${fit.group}`
      const input = sampleMatrix(kind, rows, columns)
      return [
        {
          operation: 'quantizeRealAffine',
          name,
          tolerance: bytes,
          async run(kernels) {
            const { codes, scales, zeroPoints } = await kernels.quantizeRealAffine(input, fit)
            return [codes, scales, zeroPoints]
          },
        },
        {
          operation: 'dequantizeRealAffine',
          name,
          tolerance: bytes,
          run: async (kernels) => [await kernels.dequantizeRealAffine(await kernels.quantizeRealAffine(input, fit))],
        },
      ]
    }),
  )
}

export function kMeansCases(): ConformanceCase[] {
  const grids = [1, 2, 3, 4, 6, 8].flatMap((bits) => groups.map((group): KMeansParams => ({ bits, group })))
  return grids.flatMap((params) =>
    shapes.flatMap(({ kind, rows, columns }): ConformanceCase[] => {
      const name = `${kind} ${rows} x ${columns}, ${params.bits} bits, group ${params.group}`
      const input = sampleMatrix(kind, rows, columns)
      const options = { importance: sampleImportance(columns) }
      return [
        {
          operation: 'quantizeKMeans',
          name,
          tolerance: bytes,
          async run(kernels) {
            const plain = await kernels.quantizeKMeans(input, params)
            const weighted = await kernels.quantizeKMeans(input, params, options)
            return [plain.codes, plain.centroids, weighted.codes, weighted.centroids]
          },
        },
        {
          operation: 'dequantizeKMeans',
          name,
          tolerance: bytes,
          run: async (kernels) => [await kernels.dequantizeKMeans(await kernels.quantizeKMeans(input, params))],
        },
      ]
    }),
  )
}
