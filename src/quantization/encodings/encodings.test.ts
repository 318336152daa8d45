import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { joinBytes } from '../join-arrays.ts'
import { parseRecipe } from '../parse-recipe.ts'
import type { GridEncodingName, QuantizedTensor } from '../quantized-tensor.ts'
import { encodings, grids } from '../registry.ts'
import { encodedBits } from '../resolve.ts'

const kernels = createReferenceKernels()

/** A recipe of each encoding, and what its plan counts for 12 rows of 64 weights. */
const examples: readonly { id: string; encoding: GridEncodingName; bits: number; step: number; group: number | null }[] = [
  { id: 'nearest-3bit-g16', encoding: 'affine', bits: 12 * 64 * 3 + 12 * 4 * (16 + 3), step: 1, group: 16 },
  { id: 'nearest-4bit-channel-sym', encoding: 'affine', bits: 12 * 64 * 4 + 12 * 16, step: 1, group: null },
  { id: 'nearest-8bit-tensor', encoding: 'affine', bits: 12 * 64 * 8 + 16 + 8, step: 12, group: null },
  { id: 'hqq-4bit-g16', encoding: 'real-affine', bits: 12 * 64 * 4 + 12 * 4 * 32, step: 1, group: 16 },
  { id: 'nearest-1bit-channel-sym', encoding: 'real-affine', bits: 12 * 64 + 12 * 16, step: 1, group: null },
  // Five trits to a byte: 13 bytes for 64.
  { id: 'nearest-1.58bit-g32', encoding: 'real-affine', bits: 12 * 13 * 8 + 12 * 2 * 16, step: 1, group: 32 },
  { id: 'kmeans-3bit', encoding: 'k-means', bits: 12 * 64 * 3 + 12 * 8 * 16, step: 1, group: null },
  { id: 'kmeans-4bit-g32', encoding: 'k-means', bits: 12 * 64 * 4 + 12 * 2 * 16 * 16, step: 1, group: 32 },
  { id: 'nf4', encoding: 'codebook', bits: 12 * 64 * 4 + 12 * 32, step: 1, group: null },
  { id: 'fp4-b256', encoding: 'codebook', bits: 12 * 64 * 4 + 3 * 32, step: 4, group: null },
  { id: 'nf4-double', encoding: 'codebook', bits: 12 * 64 * 4 + 12 * 8 + 32 + 32, step: 12, group: null },
  { id: 'log2-4bit-g32', encoding: 'codebook', bits: 12 * 64 * 4 + 24 * 32, step: 1, group: null },
  { id: 'int8-rows', encoding: 'int8-rows', bits: 12 * 64 * 8 + 12 * 32, step: 1, group: null },
  { id: 'Q4_0', encoding: 'ggml', bits: 12 * 64 * 4.5, step: 1, group: null },
]

it('has an example of every encoding here', () => {
  const known = encodings.members.map(({ kind }) => kind)
  expect(new Set([...examples.map(({ encoding }) => encoding), 'float'])).toEqual(new Set(known))
})

it('keeps floats that no grid holds, whole or in tiles', async () => {
  const float = encodings.get('float')
  const place = { name: 'norm', rows: 3, columns: 5 }
  const values = Float32Array.from({ length: 15 }, (_, i) => Math.fround(Math.sin(i) * 10 ** (i - 7)))
  const whole: QuantizedTensor<'float'> = { ...place, encoding: 'float', values }
  const encoding = float.encodingOf(whole)
  expect(encodedBits(place, encoding)).toBe(15 * 32)
  const bytes = joinBytes(float.parts(whole))
  expect(bytes).toHaveLength(float.storedBytes(place, encoding))
  expect(float.fromBytes(bytes, place, encoding)).toEqual(whole)
  const tiles: QuantizedTensor<'float'>[] = [
    { ...whole, rows: 1, values: values.slice(0, 5) },
    { ...whole, rows: 2, values: values.slice(5) },
  ]
  expect(float.join(tiles, place)).toEqual(whole)
  expect([...(await float.dequantize(whole, kernels))]).toEqual([...values])
  expect([float.rowStep(place, encoding), float.groupSize(encoding), float.describe(encoding)]).toEqual([1, null, 'floats of 32 bits'])
})

describe.each(examples)('$id', ({ id, encoding: kind, bits, step, group }) => {
  const { grid: choice } = parseRecipe(id)
  const grid = grids.get(choice.kind)
  const settings = grid.parse(choice)
  const shape = { rows: 12, columns: 64 }
  const data = Float32Array.from({ length: 12 * 64 }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)))
  const encoding = grid.encoding(shape, settings)
  if (encoding.encoding === 'source') throw new TypeError('a grid was expected')
  const member = encodings.get(encoding.encoding)
  const quantized = (rowStart: number, rowEnd: number) => {
    const weight = { data: data.slice(rowStart * 64, rowEnd * 64), rows: rowEnd - rowStart, columns: 64 }
    return grid.quantizeNearest('w', weight, { settings, kernels })
  }

  it('is stored as the plan says', async () => {
    const tensor = await quantized(0, 12)
    expect(tensor.encoding).toBe(kind)
    expect(member.encodingOf(tensor)).toEqual(encoding)
    expect(encodedBits(shape, encoding)).toBe(bits)
    expect(joinBytes(member.parts(tensor))).toHaveLength(member.storedBytes(shape, encoding))
    expect(member.rowStep(shape, encoding)).toBe(step)
    expect(member.groupSize(encoding)).toBe(group)
    expect(member.describe(encoding).length).toBeGreaterThan(9)
  })

  it('comes back from its bytes, and whole from its tiles', async () => {
    const whole = await quantized(0, 12)
    expect(member.fromBytes(joinBytes(member.parts(whole)), { name: 'w', ...shape }, encoding)).toEqual(whole)
    const middle = Math.min(12, 2 * step)
    const tiles = [await quantized(0, middle), ...(middle < 12 ? [await quantized(middle, 12)] : [])]
    expect(member.join(tiles, { name: 'w', ...shape })).toEqual(whole)
    expect(() => member.join([], { name: 'w', ...shape })).toThrow('w has no tiles')
  })

  it('is cut into rows that stand alone and make it whole again', async () => {
    const whole = await quantized(0, 12)
    const values = await member.dequantize(whole, kernels)
    const unit = member.cutStep(shape, encoding)
    const parts = []
    for (let start = 0; start < 12; start += unit) {
      const part = member.rows(whole, start, Math.min(12, start + unit))
      expect(await member.dequantize(part, kernels)).toEqual(values.slice(start * 64, (start + unit) * 64))
      parts.push(part)
    }
    expect(member.join(parts, { name: 'w', ...shape })).toEqual(whole)
  })

  it('dequantizes to values near the weights', async () => {
    const values = await member.dequantize(await quantized(0, 12), kernels)
    const error = values.reduce((sum, value, i) => sum + (value - (data[i] ?? 0)) ** 2, 0)
    // Two or three values to a weight keep the most of them, no more.
    const limit = /^nearest-1/.test(id) ? 0.5 : 0.05
    expect(error / data.reduce((sum, value) => sum + value ** 2, 0)).toBeLessThan(limit)
  })
})
