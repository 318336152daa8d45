import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { sampleImportance, sampleMatrix } from '../../kernels/conformance/inputs.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { Grid } from '../grid.ts'
import { joinBytes } from '../join-arrays.ts'
import { parseRecipe } from '../parse-recipe.ts'
import { encodings, grids } from '../registry.ts'
import { encodedBits } from '../resolve.ts'

const kernels = createReferenceKernels()
const groups = fc.oneof(fc.integer({ min: 16, max: 256 }), fc.constant('channel' as const))
const spanOf = (group: number | 'channel'): string => (group === 'channel' ? 'channel' : `g${group}`)

function gridOf(id: string): { readonly grid: Grid; readonly settings: unknown } {
  const { grid: choice } = parseRecipe(id)
  const grid = grids.get(choice.kind)
  return { grid, settings: grid.parse(choice) }
}

async function relativeError(id: string, importance: Float32Array | null = null): Promise<number> {
  const { grid, settings } = gridOf(id)
  const weight = sampleMatrix('normal', 8, 256)
  const tensor = await grid.quantizeNearest('w', weight, { settings, importance, kernels })
  const values = await encodings.get(tensor.encoding).dequantize(tensor, kernels)
  const { squaredError, squaredWeight } = await kernels.compareWeights(weight.data, values)
  return squaredError / squaredWeight
}

describe('ids', () => {
  it.each([
    ['hqq-%b-%g', 'hqq', 2, 8],
    ['nearest-1bit-%g', 'binary', 1, 1],
    ['nearest-1bit-%g-sym', 'binary', 1, 1],
    ['nearest-1.58bit-%g', 'ternary', 1, 1],
  ] as const)('%s is read, and the label gives it back', (pattern, kind, least, most) => {
    fc.assert(
      fc.property(fc.integer({ min: least, max: most }), groups, (bits, group) => {
        const id = pattern.replace('%b', `${bits}bit`).replace('%g', spanOf(group))
        expect(parseRecipe(id).grid).toMatchObject({ kind, group })
        const { grid, settings } = gridOf(id)
        expect(`${grid.isNamedAlone ? '' : 'nearest-'}${grid.label(settings)}`).toBe(id)
        expect(grid.fromLabel(grid.label(settings))).toEqual(parseRecipe(id).grid)
      }),
      { numRuns: 30 },
    )
  })

  it('of tables leave a whole row unsaid', () => {
    expect(parseRecipe('kmeans-4bit').grid).toEqual({ kind: 'k-means', bits: 4, group: 'channel' })
    expect(parseRecipe('kmeans-3bit-g128').grid).toEqual({ kind: 'k-means', bits: 3, group: 128 })
    for (const id of ['kmeans-4bit', 'kmeans-3bit-g128']) expect(gridOf(id).grid.label(gridOf(id).settings)).toBe(id)
  })

  it.each(['hqq-1bit-g64', 'hqq-4bit-g8', 'hqq-4bit-tensor', 'kmeans-4bit-channel', 'kmeans-4bit-g999', '1.58bit-g8', '1bit-g999'])(
    '%s is none',
    (label) => {
      for (const grid of grids.members) expect(grid.fromLabel(label)).toBeNull()
    },
  )
})

test.each([
  ['hqq-4bit-g64', 'HQQ 4 bit, groups of 64', 16],
  ['hqq-2bit-channel', 'HQQ 2 bit, one scale a row', 4],
  ['nearest-1bit-g64-sym', '1 bit symmetric, groups of 64', 2],
  ['nearest-1bit-channel', '1 bit, two values a row', 2],
  ['nearest-1.58bit-g64', '1.58 bit, groups of 64', 3],
  ['nearest-1.58bit-channel', '1.58 bit, one scale a row', 3],
  ['kmeans-4bit', 'k-means 4 bit, a table a row', 16],
  ['kmeans-2bit-g64', 'k-means 2 bit, groups of 64', 4],
])('%s is in words "%s", and the chart draws its %i values', (id, words, count) => {
  const { grid, settings } = gridOf(id)
  expect(grid.describe(settings)).toBe(words)
  expect(grid.supports({ rows: 1, columns: 40 }, settings)).toBe(true)
  const values = grid.values(2, settings)
  expect(new Set(values).size).toBe(count)
  expect([...values].sort((a, b) => a - b)).toEqual(values)
  expect(values.every((value) => Math.abs(value) <= 2)).toBe(true)
})

test('bits in the plan are bits in storage', async () => {
  const shape = { rows: 8, columns: 256 }
  for (const id of ['hqq-3bit-g64', 'nearest-1bit-g64', 'nearest-1.58bit-g64', 'kmeans-3bit-g128']) {
    const { grid, settings } = gridOf(id)
    const encoding = grid.encoding(shape, settings)
    if (encoding.encoding === 'source') throw new TypeError(id)
    const tensor = await grid.quantizeNearest('w', sampleMatrix('normal', 8, 256), { settings, kernels })
    expect(8 * joinBytes(encodings.get(tensor.encoding).parts(tensor)).length, id).toBe(encodedBits(shape, encoding))
  }
})

test.each([
  ['hqq-2bit-g64', 'nearest-2bit-g64', 0.95],
  ['hqq-3bit-g64', 'nearest-3bit-g64', 0.95],
  ['hqq-4bit-g64', 'nearest-4bit-g64', 0.95],
  ['kmeans-3bit', 'nearest-3bit-channel', 0.6],
  ['kmeans-4bit', 'nearest-4bit-channel', 0.6],
  ['nearest-1bit-g64', 'nearest-1bit-g64-sym', 1],
  ['nearest-1.58bit-g64', 'nearest-1bit-g64', 0.8],
])('%s errs less than %s', async (id, other, factor) => {
  expect(await relativeError(id)).toBeLessThan(factor * (await relativeError(other)))
})

test('tables heed importance, and the name says so', async () => {
  expect(parseRecipe('kmeans-3bit+imatrix')).toMatchObject({ grid: { kind: 'k-means', bits: 3 }, rounding: { kind: 'weighted' } })
  expect(() => parseRecipe('hqq-4bit-g64+imatrix')).toThrow('stores the same weights whichever inputs matter')
  expect(await relativeError('kmeans-3bit', sampleImportance(256))).toBeGreaterThan(await relativeError('kmeans-3bit'))
})
