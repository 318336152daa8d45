import { bytes } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { sampleMatrix, tailLengths } from './inputs.ts'

/** Sums of products of two matrices: `accumulateProduct`. */
export function productCases(): ConformanceCase[] {
  const shapes = [
    ...tailLengths.map((columns) => ({ depth: 21, rows: 9, columns })),
    ...tailLengths.map((rows) => ({ depth: 13, rows, columns: 11 })),
    ...[1, 511, 512, 513, 1100].map((depth) => ({ depth, rows: 10, columns: 17 })),
    { depth: 64, rows: 128, columns: 256 },
  ]
  return shapes.map(
    ({ depth, rows, columns }): ConformanceCase => ({
      operation: 'accumulateProduct',
      name: `(${depth} x ${rows})^T ${depth} x ${columns}`,
      tolerance: bytes,
      ...(columns === 256 && rows === 128 ? { work: 2 * depth * rows * columns } : {}),
      run: async (kernels) => [
        await kernels.accumulateProduct(
          sampleMatrix('heavy tails', rows, columns).data,
          sampleMatrix('normal', depth, rows),
          sampleMatrix('heavy tails', depth, columns),
        ),
      ],
    }),
  )
}
