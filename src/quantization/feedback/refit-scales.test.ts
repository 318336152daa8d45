import { describe, expect, test } from 'vitest'
import { createRandom } from '../../core/random.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { parseRecipe } from '../parse-recipe.ts'
import { encodings, grids } from '../registry.ts'
import { refitScales } from './refit-scales.ts'

const kernels = createReferenceKernels()
const [rows, columns, tokens] = [6, 64, 120]
const random = createRandom(11)
const weight = { data: Float32Array.from({ length: rows * columns }, () => random.nextNormal()), rows, columns }
const inputs = (() => {
  let common = 0
  const data = Float32Array.from({ length: tokens * columns }, (_, i) => {
    if (i % columns === 0) common = random.nextNormal()
    return (0.5 + (i % 5)) * (0.7 * common + random.nextNormal())
  })
  return { data, rows: tokens, columns }
})()
const gram = await kernels.accumulateGram(new Float32Array(columns * columns), inputs)
/** Whole codes on scales that are too wide or too narrow. */
const values = weight.data.map((value, i) => Math.trunc(2 * value) * (0.35 + 0.05 * (Math.floor(i / 16) % 5)))

const scaled = (factors: Float32Array, groupSize: number): Float32Array<ArrayBuffer> =>
  values.map((value, i) => {
    const group = Math.floor(i / columns) * Math.ceil(columns / groupSize) + Math.floor((i % columns) / groupSize)
    return value * (factors[group] ?? Number.NaN)
  })
const lossOf = (own: Float32Array): Promise<number> =>
  kernels.traceThroughGram({ ...weight, data: weight.data.map((value, i) => value - (own[i] ?? 0)) }, gram)

describe.each([8, 20, 64])('groups of %i columns', (groupSize) => {
  test('take the scales of least loss: none beside them loses less', async () => {
    const factors = await refitScales(weight, values, { gram, groupSize, kernels })
    if (factors === null) throw new RangeError('no factors')
    const least = await lossOf(scaled(factors, groupSize))
    expect(least).toBeLessThan(0.97 * (await lossOf(values)))
    if (groupSize !== columns) return
    // One group a row: the minimum itself, not a descent to it.
    for (const at of factors.keys()) {
      for (const step of [0.99, 1.01]) {
        const moved = factors.slice()
        moved[at] = (moved[at] ?? 1) * step
        expect(await lossOf(scaled(moved, groupSize))).toBeGreaterThan(least)
      }
    }
  })
})

test('groups whose values are all 0, or that no input reaches, keep their scale', async () => {
  const silent = gram.slice()
  for (let i = 0; i < columns; i++) for (let j = i; j < columns; j++) if (j < 16 || i < 16) silent[i * columns + j] = 0
  const some = values.map((value, i) => (i % columns < 32 ? value : 0))
  const factors = await refitScales(weight, some, { gram: silent, groupSize: 16, kernels })
  expect([...(factors ?? [])].filter((_, at) => at % 4 !== 1)).toEqual(Array(3 * rows).fill(1))
})

test('groups wider than their losses can be asked for are left alone', async () => {
  const wide = { data: new Float32Array(2048), rows: 1, columns: 2048 }
  const options = { gram: new Float32Array(0), groupSize: 1536, kernels }
  expect(await refitScales(wide, new Float32Array(2048), options)).toBeNull()
})

describe('a grid laid out anew on scales times factors', () => {
  const layOut = async (id: string) => {
    const { grid: choice } = parseRecipe(id)
    const grid = grids.get(choice.kind)
    const fixed = await grid.fixed?.('w', weight, {
      settings: grid.parse(choice),
      source: weight,
      scales: 'on the way',
      importance: null,
      kernels,
    })
    if (fixed?.kind !== 'fixed') throw new RangeError(id)
    return fixed
  }
  const sweptOf = (groups: number) => ({
    codes: Uint8Array.from(weight.data, (_, i) => i % 4),
    fitted: { steps: new Float32Array(rows * groups).fill(0.25), zeroPoints: new Float32Array(rows * groups).fill(1) },
    losses: new Float32Array(rows),
  })

  test.each(['gptq-2bit-g16', 'gptq-2bit-channel', 'gptq-3bit-g48-sym', 'nf4'])('%s stores the codes it had with them', async (id) => {
    const fixed = await layOut(id)
    const swept = sweptOf(Math.ceil(columns / fixed.groupSize))
    const factors = new Float32Array(rows * Math.ceil(columns / fixed.groupSize)).fill(1.5)
    const other = fixed.rescale?.(swept, factors)
    if (other === undefined) throw new RangeError(id)
    const valuesOf = async (tensor: ReturnType<typeof fixed.finish>) => encodings.get(tensor.encoding).dequantize(tensor, kernels)
    const [before, after] = [await valuesOf(fixed.finish(swept)), await valuesOf(other.fixed.finish(other.swept))]
    for (const [i, value] of after.entries()) expect(Math.abs(value - 1.5 * (before[i] ?? 0))).toBeLessThan(2e-3 * Math.abs(value) + 1e-7)
  })

  test.each(['gptq-4bit-tensor', 'nf4-double', 'Q4_0', 'kmeans-3bit'])('is not there for %s', async (id) => {
    expect('rescale' in (await layOut(id))).toBe(false)
  })
})
