import { type GgmlType, ggmlTypes } from '../contract/ggml.ts'
import type { WeightSums } from '../contract/kernels.ts'
import { bytes, relative } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { sampleImportance, sampleMatrix, sampleStored } from './inputs.ts'

/** The operations that quantize and compare in one step, against rows of two blocks. */
export function measuredCases(): ConformanceCase[] {
  return (Object.keys(ggmlTypes) as GgmlType[]).flatMap((type) => {
    const { needsImportance = false } = ggmlTypes[type]
    const input = sampleMatrix('heavy tails', 3, 2 * ggmlTypes[type].blockSize)
    const options = needsImportance ? { importance: sampleImportance(input.columns) } : {}
    // Sums of squares in f64, in another order.
    const tolerance = relative(1e-12)
    const listed = (sums: WeightSums): Float64Array => Float64Array.from(Object.values(sums) as number[])
    return [
      {
        operation: 'compareGgml',
        name: type,
        tolerance,
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
            tolerance,
            run: async (kernels) => [listed((await kernels.quantizeStored(source, type)).sums)],
          },
        ]
      }),
    ]
  })
}
