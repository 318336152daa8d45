import { describe, expect, test } from 'vitest'
import type { Finding } from '../../core/finding.ts'
import { createRandom } from '../../core/random.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import type { QuantizedTensor } from '../quantized-tensor.ts'
import type { AxisChoice } from '../recipe.ts'
import { encodings, grids } from '../registry.ts'
import errorFeedback from '../rounding/error-feedback.ts'
import type { LayerActivations } from '../rounding.ts'

const kernels = await createWasmKernels()
const rows = 20
const columns = 256

function matrix(rows: number, value: (row: number, column: number) => number): Matrix {
  return { data: Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)), rows, columns }
}

const random = createRandom(5)
const weight = matrix(rows, () => random.nextNormal() * 0.04)
/** Inputs as layers have them: columns correlated and of different sizes. */
const inputs = (() => {
  let common = 0
  return matrix(400, (_, column) => {
    if (column === 0) common = random.nextNormal()
    return (0.5 + (column % 7)) * (common + random.nextNormal())
  })
})()

async function learn(x: Matrix): Promise<LayerActivations> {
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), x)
  const meanSquare = Float32Array.from({ length: columns }, (_, column) => (gram[column * columns + column] ?? 0) / x.rows)
  return { tokens: x.rows, meanSquare, gram }
}

async function round(given: {
  readonly weight?: Matrix
  readonly activations: LayerActivations | null
  readonly grid?: AxisChoice
  readonly rounding?: Record<string, unknown>
}): Promise<{ readonly tensor: QuantizedTensor; readonly findings: readonly Finding[]; readonly values: Float32Array<ArrayBuffer> }> {
  const choice = given.grid ?? { kind: 'affine', bits: 4, group: 64, symmetric: true }
  const grid = grids.get(choice.kind)
  const findings: Finding[] = []
  const tensor = await errorFeedback.quantize('w', given.weight ?? weight, {
    settings: errorFeedback.parse({ kind: 'gptq', ...given.rounding }),
    grid,
    gridSettings: grid.parse(choice),
    activations: given.activations,
    importance: null,
    kernels,
    onFinding: (finding) => findings.push(finding),
  })
  return { tensor, findings, values: await encodings.get(tensor.encoding).dequantize(tensor, kernels) }
}

/** |X (W - Q)^T|^2. */
function errorOf(values: Float32Array, { gram }: LayerActivations, of = weight): Promise<number> {
  return kernels.traceThroughGram({ ...of, data: of.data.map((w, i) => w - (values[i] ?? 0)) }, gram)
}

const learnt = await learn(inputs)

async function nearestValues(choice: AxisChoice): Promise<Float32Array<ArrayBuffer>> {
  const grid = grids.get(choice.kind)
  const tensor = await grid.quantizeNearest('w', weight, { settings: grid.parse(choice), kernels })
  return encodings.get(tensor.encoding).dequantize(tensor, kernels)
}

describe('every grid that can be laid out loses less than nearest rounding on the inputs it learnt from', () => {
  const types = [
    'Q4_0',
    'Q4_1',
    'Q5_0',
    'Q5_1',
    'Q8_0',
    'Q2_K',
    'Q3_K',
    'Q4_K',
    'Q5_K',
    'Q6_K',
    'IQ4_NL',
    'IQ4_XS',
    'MXFP4',
    'NVFP4',
    'TQ2_0',
  ]
  const affine = [2, 3, 4, 8].flatMap((bits) =>
    ([32, 64, 'channel', 'tensor'] as const).map((group) => ({ kind: 'affine', bits, group, symmetric: bits % 2 === 0 })),
  )
  test.each([...affine, ...types.map((type) => ({ kind: 'ggml', type }))])('%j', async (grid: AxisChoice) => {
    const { values, tensor, findings } = await round({ activations: learnt, grid })
    const nearest = await errorOf(await nearestValues(grid), learnt)
    expect(await errorOf(values, learnt)).toBeLessThan(0.75 * nearest)
    expect(findings).toEqual([])
    const member = grids.get(grid.kind)
    expect(encodings.get(tensor.encoding).encodingOf(tensor)).toEqual(member.encoding(weight, member.parse(grid)))
  })
})

test.each([
  { order: 'act-order' },
  { order: 'group-aware' },
  { order: 'group-aware', staticGroups: true },
  { staticGroups: true },
  { block: 32 },
  { damping: 0.1 },
])('with %j too', async (rounding) => {
  for (const grid of [
    { kind: 'affine', bits: 3, group: 64, symmetric: false },
    { kind: 'ggml', type: 'Q3_K' },
  ]) {
    const { values } = await round({ activations: learnt, grid, rounding })
    expect(await errorOf(values, learnt)).toBeLessThan(0.7 * (await errorOf(await nearestValues(grid), learnt)))
  }
})

describe('inputs that leave a matrix undetermined still give a valid tensor', () => {
  const grid: AxisChoice = { kind: 'affine', bits: 4, group: 64, symmetric: true }
  const isNearest = async (values: Float32Array): Promise<boolean> => Buffer.compare(bytes(values), bytes(await nearestValues(grid))) === 0
  const bytes = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  const common = matrix(300, () => random.nextNormal())

  test.each([
    ['one token', { ...inputs, data: inputs.data.slice(0, columns), rows: 1 }],
    ['rank one', matrix(300, (row, column) => Math.sin(row) * (column + 1))],
    ['duplicated columns', matrix(300, (row, column) => common.data[row * columns + (column >> 1)] ?? 0)],
  ])('%s: damping is enough', async (_, x) => {
    const activations = await learn(x)
    const { values, findings } = await round({ activations })
    expect(findings).toEqual([])
    expect(await errorOf(values, activations)).toBeLessThan(0.5 * (await errorOf(await nearestValues(grid), activations)))
  })

  test('without damping it is raised until it is enough, and that is told', async () => {
    const activations = await learn(matrix(300, (row, column) => common.data[row * columns + (column >> 1)] ?? 0))
    const { values, findings } = await round({ activations, rounding: { damping: 0 } })
    expect(findings).toHaveLength(1)
    expect(findings[0]?.cause).toMatch(/^With damping 0 what calibration saw leaves input column \d+ undetermined/)
    expect(findings[0]?.tried).toMatch(/^Damping was raised to 0\.0001, which worked\.$/)
    expect(findings[0]).toMatchObject({ wantsText: true })
    expect(findings[0]?.isFallback).toBeUndefined()
    expect(await errorOf(values, activations)).toBeLessThan(0.5 * (await errorOf(await nearestValues(grid), activations)))
  })

  test('a matrix that no damping helps is rounded to nearest', async () => {
    const gram = learnt.gram.slice()
    // No X has such a G: off the diagonal it is larger than on it.
    gram[3] = (gram[0] ?? 0) * 1e4
    const { values, findings } = await round({ activations: { ...learnt, gram } })
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ tried: 'Damping was raised to 1 in vain. The matrix was rounded to nearest.', isFallback: true })
    expect(await isNearest(values)).toBe(true)
  })

  test.each([
    ['NaN', Number.NaN, /input column 7 of 256 is not finite/],
    ['infinity', Infinity, /input column 7 of 256 is not finite/],
    ['nothing but 0', 0, /is 0\.$/],
  ])('inputs of %s: nearest', async (_, value, cause) => {
    const x = matrix(30, (_row, column) => (value === 0 || column === 7 ? value : 1))
    const { values, findings } = await round({ activations: await learn(x) })
    expect(findings[0]?.cause).toMatch(cause)
    expect(findings[0]?.tried).toBe('The matrix was rounded to nearest.')
    expect(await isNearest(values)).toBe(true)
  })

  test('no inputs at all, or a type without scales: nearest', async () => {
    const none = await round({ activations: null })
    expect(none.findings[0]?.cause).toMatch(/^Calibration saw no inputs/)
    expect(await isNearest(none.values)).toBe(true)
    const half = await round({ activations: learnt, grid: { kind: 'ggml', type: 'F16' } })
    expect(half.findings[0]?.cause).toMatch(/^F16 has no scales/)
    expect(half.tensor).toMatchObject({ encoding: 'ggml', type: 'F16' })
  })

  test('errors that grow beyond all bounds: damping is raised, then nearest', async () => {
    const large = matrix(rows, (_, column) => (column % 2 === 0 ? 3e38 : -3e38))
    const { tensor, findings } = await round({ weight: large, activations: learnt })
    expect(tensor).toMatchObject({ encoding: 'affine' })
    expect(findings[0]?.cause).toMatch(/grow beyond all bounds/)
  })

  test('weights that are all 0 stay 0; unused columns become 0 and are told', async () => {
    const zero = await round({ weight: matrix(rows, () => 0), activations: learnt })
    expect(zero.values.every((value) => value === 0)).toBe(true)
    const unused = await round({
      activations: await learn(matrix(300, (row, column) => (column < 3 ? 0 : (common.data[row * columns + column] ?? 0)))),
    })
    expect(unused.findings).toEqual([expect.objectContaining({ cause: 'The calibration text never used 3 of 256 input columns.' })])
    for (let row = 0; row < rows; row++) expect([...unused.values.subarray(row * columns, row * columns + 3)]).toEqual([0, 0, 0])
  })
})
