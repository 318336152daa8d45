import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { packedBytes, readBack } from '../testing/packed-form.ts'
import { awqForm } from './awq/form.ts'
import { gptqForm } from './gptq/form.ts'

const kernels = createReferenceKernels()
const [rows, columns] = [64, 96]

async function stored(bits: number): Promise<QuantizedTensor<'affine'>> {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
  const affine = await kernels.quantizeAffine({ rows, columns, data }, { bits, isSymmetric: false, group: 32 })
  return { name: 'p.weight', rows, columns, encoding: 'affine', affine }
}

const spec = { name: 'p.weight', shape: [rows, columns] }
const encodingOf = (bits: number) => ({ encoding: 'affine', bits, isSymmetric: false, group: 32 }) as const

describe('parts whose lines cross the rows', () => {
  // One line of the codes; a few, the last band short; all of them.
  it.each([1, 1000, 2 ** 20])('are the same in bands of %i bytes', async (bandBytes) => {
    for (const bits of [3, 4]) {
      const tensor = await stored(bits)
      const form = gptqForm(spec, encodingOf(bits), 'gptq')
      if (form === null) throw new Error('not packable')
      expect(await packedBytes(form, tensor, bandBytes)).toEqual(await packedBytes(form, tensor))
    }
    const form = awqForm(spec, encodingOf(4))
    if (form === null) throw new Error('not packable')
    const tensor = await stored(4)
    expect(await packedBytes(form, tensor, bandBytes)).toEqual(await packedBytes(form, tensor))
    expect(await (await readBack(form, tensor))({ rowStart: 0, rowEnd: rows })).toEqual(await kernels.dequantizeAffine(tensor.affine))
  })
})
