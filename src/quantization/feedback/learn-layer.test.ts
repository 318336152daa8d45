import { describe, expect, test } from 'vitest'
import type { Finding } from '../../core/finding.ts'
import { createRandom } from '../../core/random.ts'
import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import type { Grid } from '../grid.ts'
import { parseRecipe, summarize } from '../parse-recipe.ts'
import { encodings, grids, roundings } from '../registry.ts'
import type { LayerActivations } from '../rounding.ts'
import { parseLearned } from './learned-settings.ts'

const kernels = await createWasmKernels()
const [rows, columns, tokens] = [12, 256, 400]
const random = createRandom(5)
const weight: Matrix = { data: Float32Array.from({ length: rows * columns }, () => random.nextNormal() * 0.04), rows, columns }

/** Inputs as layers have them: columns correlated and of different sizes. */
async function learn(): Promise<LayerActivations> {
  const data = new Float32Array(tokens * columns)
  for (let row = 0; row < tokens; row++) {
    const common = random.nextNormal()
    for (let column = 0; column < columns; column++) data[row * columns + column] = (0.5 + (column % 7)) * (common + random.nextNormal())
  }
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), { data, rows: tokens, columns })
  return {
    tokens,
    gram,
    meanSquare: Float32Array.from({ length: columns }, (_, column) => (gram[column * columns + column] ?? 0) / tokens),
  }
}

const learnt = await learn()

/** The same grid, whose scales stay what error feedback chose. */
function withoutRescale(grid: Grid): Grid {
  return {
    ...grid,
    async fixed(name, weight, options) {
      const fixed = await grid.fixed?.(name, weight, options)
      if (fixed?.kind !== 'fixed') throw new RangeError(name)
      return { kind: fixed.kind, groupSize: fixed.groupSize, grid: fixed.grid, finish: (swept) => fixed.finish(swept) }
    },
  }
}

async function round(
  id: string,
  given: { readonly activations?: LayerActivations | null; readonly kernels?: Kernels; readonly keepsScales?: boolean } = {},
): Promise<{ readonly error: number; readonly values: Float32Array<ArrayBuffer>; readonly findings: readonly Finding[] }> {
  const recipe = parseRecipe(id)
  const { keepsScales = false, ...changed } = given
  const member = grids.get(recipe.grid.kind)
  const grid = keepsScales ? withoutRescale(member) : member
  const rounding = roundings.get(recipe.rounding.kind)
  const gridSettings = grid.parse(recipe.grid)
  const findings: Finding[] = []
  const tensor = await rounding.quantize('w', weight, {
    settings: rounding.parse(recipe.rounding),
    grid,
    gridSettings,
    activations: learnt,
    importance: null,
    kernels,
    onFinding: (finding) => findings.push(finding),
    ...changed,
  })
  expect(encodings.get(tensor.encoding).encodingOf(tensor)).toEqual(grid.encoding(weight, gridSettings))
  const values = await encodings.get(tensor.encoding).dequantize(tensor, kernels)
  const error = await kernels.traceThroughGram({ ...weight, data: weight.data.map((w, i) => w - (values[i] ?? 0)) }, learnt.gram)
  return { error, values, findings }
}

describe('loses less than error feedback on the inputs it learnt from, at the same bytes', () => {
  test.each([
    ['learned-4bit-g128-sym', 'gptq-4bit-g128-sym'],
    ['learned-3bit-g32', 'gptq-3bit-g32'],
    ['learned-2bit-channel', 'gptq-2bit-channel'],
    ['Q4_K+learned', 'Q4_K+gptq'],
    ['Q3_K+learned', 'Q3_K+gptq'],
    ['IQ4_NL+learned', 'IQ4_NL+gptq'],
    ['MXFP4+learned', 'MXFP4+gptq'],
    ['nf4+learned', 'nf4+gptq'],
    ['kmeans-3bit+learned', 'kmeans-3bit+gptq'],
    ['hqq-3bit-g64+learned', 'hqq-3bit-g64+gptq'],
    ['learned-1.58bit-g64', 'gptq-1.58bit-g64'],
  ])('%s', async (id, other) => {
    const { error, findings } = await round(id)
    expect(findings).toEqual([])
    expect(error).toBeLessThan(0.98 * (await round(other)).error)
  })
})

describe('learns scales beside codes, which loses less than codes alone', () => {
  test.each(['learned-4bit-g128-sym', 'learned-3bit-g32', 'learned-2bit-g64', 'learned-2bit-channel', 'nf4+learned'])('%s', async (id) => {
    const { error } = await round(id)
    const codesAlone = (await round(id, { keepsScales: true })).error
    expect(error).toBeLessThan(codesAlone)
  })
})

test('more steps find no worse codes, and the same again each time', async () => {
  const [few, some, many] = [await round('Q3_K+learned-50steps'), await round('Q3_K+learned'), await round('Q3_K+learned-500steps')]
  expect(some.error).toBeLessThanOrEqual(few.error)
  expect(many.error).toBeLessThanOrEqual(some.error)
  expect((await round('Q3_K+learned')).values).toEqual(some.values)
})

describe('what stops it ends in nearest rounding, and that is told', () => {
  test('nothing to learn from', async () => {
    const { values, findings } = await round('learned-4bit-g32', { activations: null })
    expect(findings).toEqual([expect.objectContaining({ tried: 'The matrix was rounded to nearest.' })])
    expect(values).toEqual((await round('nearest-4bit-g32')).values)
  })

  test('inputs that are not finite', async () => {
    const gram = learnt.gram.slice()
    gram[0] = Number.NaN
    const { values, findings } = await round('learned-4bit-g32', { activations: { ...learnt, gram } })
    expect(findings).toEqual([expect.objectContaining({ cause: 'What goes into input column 0 of 256 is not finite.' })])
    expect(values).toEqual((await round('nearest-4bit-g32')).values)
  })

  test('codes that lose more than nearest ones', async () => {
    const astray: Kernels = {
      ...kernels,
      descendCodes: async (input, options) => ({ ...(await kernels.descendCodes(input, options)), codes: new Uint8Array(rows * columns) }),
    }
    const { values, findings } = await round('learned-4bit-g32', { kernels: astray })
    expect(findings).toEqual([expect.objectContaining({ tried: 'The matrix was rounded to nearest.' })])
    expect(findings[0]?.cause).toMatch(/^What was learned loses \S+ of the layer's outputs, nearest rounding \S+\.$/)
    expect(values).toEqual((await round('nearest-4bit-g32')).values)
  })
})

describe('ids', () => {
  test.each([
    ['learned-4bit-g128-sym', { kind: 'learned' }, { kind: 'affine', bits: 4, group: 128, symmetric: true }],
    ['learned-3bit-g32-500steps', { kind: 'learned', steps: 500 }, { kind: 'affine', bits: 3, group: 32 }],
    ['learned-2bit-g64-50steps-cross', { kind: 'learned', steps: 50, crossTerm: true }, { kind: 'affine', bits: 2, group: 64 }],
    ['Q4_K+learned', { kind: 'learned' }, { kind: 'ggml', type: 'Q4_K' }],
    ['nf4+learned-50steps', { kind: 'learned', steps: 50 }, { kind: 'codebook', book: 'nf4' }],
  ])('%s', (id, rounding, grid) => {
    const recipe = parseRecipe(id)
    expect(recipe).toMatchObject({ id, rounding, grid })
    expect(summarize(recipe)).toContain('learned')
  })

  test.each(['learned-4bit-g32-60steps', 'F16+learned', 'IQ2_S+learned', 'int8-rows+learned'])('%s is refused', (id) => {
    expect(() => parseRecipe(id)).toThrow()
  })

  test.each([{ steps: 60 }, { rate: 1 }])('%j is refused by name', (setting) => {
    expect(() => parseLearned({ kind: 'learned', ...setting })).toThrow(Object.keys(setting)[0])
  })
})
