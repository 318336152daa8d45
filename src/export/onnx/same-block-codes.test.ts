import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { tileInFile } from './code-matrix.ts'
import { areSame } from './same-codes.ts'
import { type NBitsInFile, unpackNBits } from './unpacking.ts'

const kernels = createReferenceKernels()
const shape = { rows: 3, columns: 96 }
const types = [
  ['Q4_0', 4],
  ['Q5_0', 8],
  ['Q8_0', 8],
] as const

async function stored(type: (typeof types)[number][0]): Promise<QuantizedTensor<'ggml'>> {
  const data = Float32Array.from({ length: 288 }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 13)))
  return { name: 'w', ...shape, encoding: 'ggml', type, blocks: await kernels.quantizeGgml({ ...shape, data }, type, { importance: null }) }
}

/** In memory that begins at an odd byte too. */
function movedBy(offset: number, tensor: QuantizedTensor<'ggml'>): QuantizedTensor<'ggml'> {
  const bytes = new Uint8Array(tensor.blocks.length + offset)
  bytes.set(tensor.blocks, offset)
  return { ...tensor, blocks: bytes.subarray(offset) }
}

describe.each(types)('%s blocks in the codes of MatMulNBits', (type, bits) => {
  const setting = { bits, block: 32, zero: 'default' } as const
  const inFile = (tensor: QuantizedTensor): NBitsInFile => ({
    ...{ ...shape, bits, block: 32, zeros: null },
    codes: tileInFile(tensor, setting).codes,
    scales: tileInFile(tensor, setting).scales,
  })

  it('stand for the same weights', async () => {
    const tensor = await stored(type)
    const expected = await kernels.dequantizeGgml(tensor.blocks, shape, type)
    // Adding 0 makes -0 equal to 0.
    for (const offset of [0, 1]) {
      expect(unpackNBits(inFile(movedBy(offset, tensor))).map((value) => value + 0)).toEqual(expected.map((value) => value + 0))
    }
  })

  it('are proved without their weights, and every wrong bit is seen', async () => {
    const tensor = await stored(type)
    const found = inFile(tensor)
    for (const offset of [0, 1]) expect(areSame(found, movedBy(offset, tensor))).toBe(true)
    const scaleBytes = new Uint8Array(found.scales.buffer)
    for (const bytes of [found.codes, scaleBytes]) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const byte = bit >> 3
        const right = bytes[byte] ?? 0
        bytes[byte] = right ^ (1 << (bit & 7))
        expect(areSame(found, tensor), `bit ${bit}`).toBe(false)
        bytes[byte] = right
      }
    }
    expect(areSame({ ...found, codes: found.codes.slice(1) }, tensor)).toBe(false)
    expect(areSame({ ...found, scales: found.scales.slice(1) }, tensor)).toBe(false)
    expect(areSame({ ...found, zeros: new Uint8Array(9) }, tensor)).toBe(false)
  })

  it('are refused in another width', async () => {
    await expect(stored(type).then((tensor) => tileInFile(tensor, { ...setting, bits: 2 }))).rejects.toThrow(/no codes of 2 bits/)
  })
})
