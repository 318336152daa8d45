import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { type Int8Matrix, int8Codes, int8Run } from './int8-codes.ts'

const kernels = createReferenceKernels()

function values({ rows, columns, codes, scales, run }: Int8Matrix): Float32Array {
  const runs = Math.ceil(columns / run)
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const row = Math.floor(at / columns)
    return (codes[at] ?? Number.NaN) * (scales[row * runs + Math.floor((at % columns) / run)] ?? Number.NaN)
  })
}

/** Both signs in most groups, one alone in some. */
const dataOf = (count: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + seed) + (Math.floor(i / 40) % 3) - 0.5)

describe('int8Codes', () => {
  it('stands for the same weights as what is stored, at any bits, group and size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        fc.constantFrom<16 | 32 | 'row' | 'tensor'>(16, 32, 'row', 'tensor'),
        fc.record({
          rows: fc.integer({ min: 1, max: 5 }),
          columns: fc.integer({ min: 1, max: 70 }),
          seed: fc.integer({ min: 0, max: 99 }),
        }),
        async (bits, isSymmetric, group, { rows, columns, seed }) => {
          const encoding = { encoding: 'affine', bits, isSymmetric, group } as const
          const run = int8Run(encoding, columns)
          if (run === null) {
            expect([bits, isSymmetric]).toEqual([8, false])
            return
          }
          const affine = await kernels.quantizeAffine({ rows, columns, data: dataOf(rows * columns, seed) }, encoding)
          const made = int8Codes({ name: 'w', rows, columns, encoding: 'affine', affine })
          expect(made.run).toBe(run)
          expect(values(made).map((value) => value + 0)).toEqual((await kernels.dequantizeAffine(affine)).map((value) => value + 0))
        },
      ),
    )
  })

  it('takes Q8_0 blocks as they are', async () => {
    const shape = { rows: 3, columns: 64 }
    const blocks = await kernels.quantizeGgml({ ...shape, data: dataOf(192, 1) }, 'Q8_0', { importance: null })
    expect(values(int8Codes({ name: 'w', ...shape, encoding: 'ggml', type: 'Q8_0', blocks }))).toEqual(
      await kernels.dequantizeGgml(blocks, shape, 'Q8_0'),
    )
  })

  it('has no form for other encodings', () => {
    expect(int8Run({ encoding: 'ggml', type: 'Q4_K' }, 256)).toBeNull()
    expect(int8Run({ encoding: 'int8-rows' }, 256)).toBeNull()
    expect(int8Run({ encoding: 'source' }, 256)).toBeNull()
    const other: QuantizedTensor = { name: 'w', rows: 1, columns: 1, encoding: 'float', values: Float32Array.of(1) }
    expect(() => int8Codes(other)).toThrow('w has no form in whole numbers of 8 bits')
  })
})
