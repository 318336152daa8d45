import type { AffineFit } from '../contract/affine.ts'
import { type GgmlType, ggmlTypes } from '../contract/ggml.ts'
import type { WeightSums } from '../contract/kernels.ts'
import { bytes, relative } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { sampleImportance, sampleMatrix, sampleStored } from './inputs.ts'

/** Sums of squares in f64, in another order. */
const sumTolerance = relative(1e-12)

function listed(sums: WeightSums): Float64Array {
  return Float64Array.from(Object.values(sums) as number[])
}

/** The operations that quantize and compare in one step. */
export function measuredCases(): ConformanceCase[] {
  return [...blockCases(), ...affineCases()]
}

function affineCases(): ConformanceCase[] {
  const fits: readonly AffineFit[] = [
    { bits: 4, isSymmetric: false, group: 32 },
    { bits: 3, isSymmetric: true, group: 'row' },
    { bits: 8, isSymmetric: false, group: 33, clip: 'mse' },
  ]
  // The second has more than one strip of rows, the last of them short.
  const shapes = [
    { rows: 3, columns: 70 },
    { rows: 37, columns: 4099 },
  ]
  return fits.flatMap((fit) =>
    shapes.flatMap(({ rows, columns }) =>
      (['BF16', 'F16', 'F32'] as const).flatMap((dtype): ConformanceCase[] => {
        const name = `${rows} x ${columns} from ${dtype}, ${fit.bits} bits`
        const source = sampleStored(dtype, sampleMatrix('heavy tails', rows, columns))
        const operation = 'quantizeStoredAffine'
        return [
          {
            operation,
            name,
            tolerance: bytes,
            async run(kernels) {
              const { codes, scales, zeroPoints } = (await kernels.quantizeStoredAffine(source, fit)).affine
              return [codes, scales, zeroPoints]
            },
          },
          {
            operation,
            name: `${name}, its sums`,
            tolerance: sumTolerance,
            run: async (kernels) => [listed((await kernels.quantizeStoredAffine(source, fit)).sums)],
          },
        ]
      }),
    ),
  )
}

/** Against rows of two blocks. */
function blockCases(): ConformanceCase[] {
  return (Object.keys(ggmlTypes) as GgmlType[]).flatMap((type) => {
    const { needsImportance = false } = ggmlTypes[type]
    const input = sampleMatrix('heavy tails', 3, 2 * ggmlTypes[type].blockSize)
    const options = needsImportance ? { importance: sampleImportance(input.columns) } : {}
    return [
      {
        operation: 'compareGgml',
        name: type,
        tolerance: sumTolerance,
        run: async (kernels) => [listed(await kernels.compareGgml(input, await kernels.quantizeGgml(input, type, options), type))],
      },
      ...(needsImportance ? [] : (['BF16', 'F16', 'F32'] as const)).flatMap((dtype): ConformanceCase[] => {
        const name = `${type} from ${dtype}`
        const source = sampleStored(dtype, input)
        return [
          {
            operation: 'quantizeStored',
            name,
            tolerance: bytes,
            run: async (kernels) => [(await kernels.quantizeStored(source, type)).blocks],
          },
          {
            operation: 'quantizeStored',
            name: `${name}, its sums`,
            tolerance: sumTolerance,
            run: async (kernels) => [listed((await kernels.quantizeStored(source, type)).sums)],
          },
        ]
      }),
    ]
  })
}
