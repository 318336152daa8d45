import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { blockZeros, codeMatrix, packZeros, tileInFile } from './code-matrix.ts'
import { nbitsOf } from './nbits.ts'
import { areSame } from './same-codes.ts'
import { type NBitsInFile, unpackNBits } from './unpacking.ts'

const kernels = createReferenceKernels()
/** Rows of whole blocks and of whole bytes of zero points, so that every bit of a file means something. */
const shape = { rows: 2, columns: 512 }
const data = Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 13)) * 0.01)

const stored: Readonly<Record<string, () => Promise<QuantizedTensor>>> = {
  ...Object.fromEntries(
    [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
      [true, false].flatMap((isSymmetric) =>
        ([32, 128, 'row'] as const).map((group) => [
          `${bits} bits ${isSymmetric ? 'around 0' : 'with zero points'}, groups of ${group}`,
          async () => {
            const affine = await kernels.quantizeAffine({ ...shape, data }, { bits, isSymmetric, group })
            return { name: 'w', ...shape, encoding: 'affine', affine } as const
          },
        ]),
      ),
    ),
  ),
  ...Object.fromEntries(
    ([2, 3] as const).map((levels) => [
      `${levels} values around 0`,
      async () => {
        const params = { levels, isSymmetric: true, group: 64, fit: 'mean' } as const
        return { name: 'w', ...shape, encoding: 'real-affine', realAffine: await kernels.quantizeRealAffine({ ...shape, data }, params) }
      },
    ]),
  ),
}

function inFile(tensor: QuantizedTensor): NBitsInFile {
  const setting = nbitsOf(storage.get(tensor.encoding).encodingOf(tensor), tensor.columns, false)
  if ('refusal' in setting) throw new RangeError(setting.refusal)
  const { bits, block, zero } = setting
  const matrix = codeMatrix(tensor, setting)
  return {
    ...{ ...shape, bits, block, codes: tileInFile(tensor, setting).codes.slice(), scales: tileInFile(tensor, setting).scales },
    zeros: zero === 'default' ? null : zero === 'codes' ? packZeros(matrix, setting) : blockZeros(matrix, setting),
  }
}

describe('codes of a file', () => {
  it.each(Object.entries(stored))('are those of %s without their weights, and no wrong bit is overlooked', async (_name, make) => {
    const tensor = await make()
    const found = inFile(tensor)
    const weights = await storage.get(tensor.encoding).dequantize(tensor, kernels)
    expect(unpackNBits(found).every((value, i) => value === weights[i])).toBe(true)
    expect(areSame(found, tensor)).toBe(true)
    const zeros = found.zeros === null ? [] : [new Uint8Array(found.zeros.buffer)]
    const missed: number[] = []
    for (const bytes of [found.codes, new Uint8Array(found.scales.buffer), ...zeros]) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const byte = Math.floor(bit / 8)
        const right = bytes[byte] ?? 0
        const digit = 2 ** (bit % 8)
        bytes[byte] = Math.floor(right / digit) % 2 === 0 ? right + digit : right - digit
        if (areSame(found, tensor)) missed.push(bit)
        bytes[byte] = right
      }
    }
    expect(missed).toEqual([])
  })
})
