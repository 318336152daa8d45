import { describe, expect, test } from 'vitest'
import { createRandom } from '../../core/random.ts'
import type { SweepGrid } from '../../kernels/contract/feedback.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import type { FixedGrid } from '../fixed-grid.ts'
import type { Grid } from '../grid.ts'
import { parseRecipe } from '../parse-recipe.ts'
import { encodings, grids } from '../registry.ts'
import errorFeedback from '../rounding/error-feedback.ts'
import type { LayerActivations } from '../rounding.ts'

const kernels = await createWasmKernels()

/** Grids whose values do not follow a block of ggml or GPTQ's own affine rule. */
const ids = [
  'nf4+gptq',
  'nf4-b256+gptq',
  'fp4+gptq',
  'nf4-double+gptq',
  'fp4-double-b32+gptq',
  'log2-4bit-g64+gptq',
  'kmeans-2bit+gptq',
  'kmeans-4bit+gptq',
  'kmeans-3bit-g64+gptq',
  'hqq-4bit-g64+gptq',
  'hqq-2bit-g32+gptq',
  'hqq-3bit-channel+gptq',
  'gptq-1bit-g64',
  'gptq-1bit-g32-sym',
  'gptq-1.58bit-g64',
]

function gridOf(id: string): { readonly grid: Grid; readonly settings: unknown; readonly isNamedAlone: boolean } {
  const { grid: choice, rounding } = parseRecipe(id)
  expect(rounding).toEqual({ kind: 'gptq' })
  const grid = grids.get(choice.kind)
  return { grid, settings: grid.parse(choice), isNamedAlone: grid.isNamedAlone }
}

function normals(rows: number, columns: number, seed: number): Matrix {
  const random = createRandom(seed)
  return { data: Float32Array.from({ length: rows * columns }, () => random.nextNormal() * 0.04), rows, columns }
}

async function learn(
  tokens: number,
  columns: number,
  value: (column: number, common: number, own: number) => number,
): Promise<LayerActivations> {
  const random = createRandom(7)
  const data = new Float32Array(tokens * columns)
  for (let row = 0; row < tokens; row++) {
    const common = random.nextNormal()
    for (let column = 0; column < columns; column++) data[row * columns + column] = value(column, common, random.nextNormal())
  }
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), { data, rows: tokens, columns })
  const meanSquare = Float32Array.from({ length: columns }, (_, column) => (gram[column * columns + column] ?? 0) / tokens)
  return { tokens, meanSquare, gram }
}

const asLayersHaveThem = (column: number, common: number, own: number): number => (0.5 + (column % 7)) * (common + own)

function layOut(id: string, weight: Matrix): Promise<FixedGrid> {
  const { grid, settings } = gridOf(id)
  const made = grid.fixed?.('w', weight, { settings, source: weight, scales: 'before', importance: null, kernels })
  return (made ?? Promise.reject(new Error(`${id} cannot be laid out`))).then((fixed) => {
    if (fixed.kind === 'none') throw new Error(fixed.reason)
    return fixed
  })
}

/** Value of a code of a weight, in f64. */
function valueOf(grid: SweepGrid, group: number, code: number): number {
  if (grid.kind === 'fit') throw new Error('expected values known before')
  const [scale, offset] = [grid.scales[group] ?? 0, grid.offsets[group] ?? 0]
  if (grid.kind === 'uniform') return scale * (code - (grid.zeroPoints[group] ?? 0)) + offset
  const first = grid.tables === 'shared' ? 0 : (group * grid.levels.length) / grid.scales.length
  return scale * (grid.levels[first + code] ?? 0) + offset
}

function countOf(grid: SweepGrid): number {
  if (grid.kind === 'fit') throw new Error('expected values known before')
  if (grid.kind === 'uniform') return grid.largestCode + 1
  return grid.tables === 'shared' ? grid.levels.length : grid.levels.length / grid.scales.length
}

async function valuesAfter(id: string, weight: Matrix, activations: LayerActivations | null): Promise<Float32Array<ArrayBuffer>> {
  const { grid, settings } = gridOf(id)
  const options = { grid, gridSettings: settings, kernels, importance: null }
  const tensor =
    activations === null
      ? await grid.quantizeNearest('w', weight, { settings, kernels })
      : await errorFeedback.quantize('w', weight, { ...options, settings: errorFeedback.parse({ kind: 'gptq' }), activations })
  expect(encodings.get(tensor.encoding).encodingOf(tensor)).toEqual(grid.encoding(weight, settings))
  return encodings.get(tensor.encoding).dequantize(tensor, kernels)
}

const errorOf = (weight: Matrix, values: Float32Array, gram: Float32Array): Promise<number> =>
  kernels.traceThroughGram({ ...weight, data: weight.data.map((w, i) => w - (values[i] ?? 0)) }, gram)

describe.each(ids)('%s', (id) => {
  // 100 and 129 columns: blocks of code books begin within rows, the last one is short and the number of codes odd.
  test.each([256, 100, 129])('what is stored is what the sweep chose, with %d columns', async (columns) => {
    const weight = normals(5, columns, 3)
    const fixed = await layOut(id, weight)
    const count = countOf(fixed.grid)
    const random = createRandom(columns)
    const codes = Uint8Array.from(weight.data, () => Math.floor(random.next() * count))
    const none = { steps: new Float32Array(0), zeroPoints: new Float32Array(0) }
    const tensor = fixed.finish({ codes, fitted: none, losses: new Float32Array(5) })
    const stored = await encodings.get(tensor.encoding).dequantize(tensor, kernels)
    const groups = Math.ceil(columns / fixed.groupSize)
    for (const [i, value] of stored.entries()) {
      const group = Math.floor(i / columns) * groups + Math.floor((i % columns) / fixed.groupSize)
      // An offset is a product rounded to f32 where the stored form subtracts codes.
      expect(Math.abs(value - valueOf(fixed.grid, group, codes[i] ?? 0))).toBeLessThan(1e-6)
    }
  })

  test('loses less than nearest rounding on the inputs it learnt from', async () => {
    const weight = normals(20, 256, 5)
    const activations = await learn(400, 256, asLayersHaveThem)
    const error = await errorOf(weight, await valuesAfter(id, weight, activations), activations.gram)
    expect(error).toBeLessThan(0.8 * (await errorOf(weight, await valuesAfter(id, weight, null), activations.gram)))
  })

  test.each([
    ['one token', 1, asLayersHaveThem],
    ['copies of one column', 300, (_: number, common: number) => common],
    ['every other column unused', 300, (column: number, common: number, own: number) => (column % 2) * (common + own)],
    ['sizes from 1e-6 to 1e6', 300, (column: number, common: number, own: number) => 10 ** (6 - (column % 13)) * (common + own)],
  ] as const)('%s', async (_, tokens, value) => {
    const weight = normals(8, 256, 9)
    // A row of zeros and one with a single outlier.
    weight.data.fill(0, 0, 256)
    weight.data[300] = 50
    const activations = await learn(tokens, 256, value)
    const values = await valuesAfter(id, weight, activations)
    expect(values.every((v) => Number.isFinite(v))).toBe(true)
    const nearest = await errorOf(weight, await valuesAfter(id, weight, null), activations.gram)
    // Where all inputs are one, tables at the means of their weights leave nearest rounding next to no error to make up for.
    const signal = await kernels.traceThroughGram(weight, activations.gram)
    expect(await errorOf(weight, values, activations.gram)).toBeLessThanOrEqual(nearest + 1e-3 * signal)
  })
})

test('of two zeros of a code book one is written', async () => {
  const weight = normals(4, 64, 1)
  for (const id of ['fp4+gptq', 'log2-4bit-g64+gptq']) expect(countOf((await layOut(id, weight)).grid)).toBe(15)
  expect(countOf((await layOut('nf4+gptq', weight)).grid)).toBe(16)
})
