import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import affine from '../grids/affine.ts'
import errorFeedback from '../rounding/error-feedback.ts'
import { columnOrder, groupsOfPositions } from './column-order.ts'

// Results of the code of GPTQ's authors; `../shared/golden/gptq` holds their settings, inputs and dequantized weights.
const folder = new URL('../../../../shared/golden/gptq/', import.meta.url)
const isPresent = existsSync(folder)
if (!isPresent) process.stderr.write("skipped: results of GPTQ's authors, because ../shared is not here\n")

interface Golden {
  readonly rows: number
  readonly cols: number
  readonly tokens: number
  readonly percdamp: number
  readonly dead_column: number
  readonly cases: Readonly<Record<string, GoldenCase>>
}

interface GoldenCase {
  readonly bits: number
  readonly symmetric: boolean
  /** -1: a row. */
  readonly group_size: number
  readonly act_order: boolean
  readonly static_groups: boolean
  readonly mse: boolean
  /** |X (W - Q)^T|^2 over all tokens. */
  readonly error: number
}

const floats = (name: string): Float32Array<ArrayBuffer> => new Float32Array(new Uint8Array(readFileSync(new URL(name, folder))).buffer)

describe.skipIf(!isPresent)("against GPTQ's authors", async () => {
  if (!isPresent) return
  const golden = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')) as Golden
  const { rows, cols: columns, tokens } = golden
  const kernels = await createWasmKernels()
  const weight = { data: floats('weight.f32'), rows, columns }
  const inputs = { data: floats('inputs.f32'), rows: tokens, columns }
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), inputs)
  const meanSquare = Float32Array.from({ length: columns }, (_, column) => (gram[column * columns + column] ?? 0) / tokens)

  test.each(Object.entries(golden.cases))('%s: layer error and codes as theirs, in what is stored', async (name, setting) => {
    const rounding = errorFeedback.parse({
      kind: 'gptq',
      damping: golden.percdamp,
      order: setting.act_order ? 'act-order' : 'columns',
      staticGroups: setting.static_groups,
    })
    const group = setting.group_size === -1 ? 'channel' : setting.group_size
    const grid = { kind: 'affine', bits: setting.bits, group, symmetric: setting.symmetric, clip: setting.mse ? 'mse' : 'none' }
    const findings: unknown[] = []
    const tensor = await errorFeedback.quantize('w', weight, {
      settings: rounding,
      grid: affine,
      gridSettings: affine.parse(grid),
      activations: { tokens, meanSquare, gram },
      importance: null,
      kernels,
      onFinding: (finding) => findings.push(finding),
    })
    if (tensor.encoding !== 'affine') throw new Error('expected affine codes')
    expect(findings).toEqual([expect.objectContaining({ cause: 'The calibration text never used 1 of 256 input columns.' })])
    const values = await kernels.dequantizeAffine(tensor.affine)
    const theirs = floats(`${name}.dequant.f32`)
    const error = await kernels.traceThroughGram({ ...weight, data: weight.data.map((w, i) => w - (values[i] ?? 0)) }, gram)
    // Stored scales are halves of theirs, so what is stored differs by 2^-11 at most and the error by less than a thousandth.
    expect(error / setting.error).toBeLessThan(1.001)
    expect(error / setting.error).toBeGreaterThan(0.999)
    const far = values.filter((value, i) => Math.abs(value - (theirs[i] ?? 0)) > 2 ** -10 * Math.abs(theirs[i] ?? 0))
    expect(far).toHaveLength(0)
  })

  test.each(Object.entries(golden.cases))('%s: weights equal before scales become halves', async (name, setting) => {
    const rule = { bits: setting.bits, isSymmetric: setting.symmetric, clip: setting.mse ? ('mse' as const) : ('none' as const) }
    const use = Float64Array.from(meanSquare)
    const live = { ...weight, data: weight.data.map((value, i) => (i % columns === golden.dead_column ? 0 : value)) }
    const isRow = setting.group_size === -1
    const size = isRow ? columns : setting.group_size
    const order = columnOrder(use, setting.act_order ? 'act-order' : 'columns', size)
    const mean = gram.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
    const factor = await kernels.factorInverse(gram, { order, damping: golden.percdamp * mean })
    if (factor.kind !== 'factor') throw new Error('expected a factor')
    const { groups, groupOf } = groupsOfPositions(columns, order, size)
    const before = isRow || setting.static_groups ? await kernels.fitSteps(isRow ? weight : live, size, rule) : null
    const swept = await kernels.sweepColumns(live, {
      upper: factor.upper,
      order,
      block: 128,
      groups,
      groupOf,
      grid:
        before === null
          ? { kind: 'fit', ...rule }
          : {
              kind: 'uniform',
              largestCode: 2 ** setting.bits - 1,
              scales: before.steps,
              zeroPoints: before.zeroPoints,
              offsets: new Float32Array(rows * groups),
            },
    })
    const { steps, zeroPoints } = before ?? swept.fitted
    const theirs = floats(`${name}.dequant.f32`)
    const ours = Float32Array.from(swept.codes, (code, i) => {
      const group = Math.floor(i / columns) * groups + Math.floor((i % columns) / size)
      return (steps[group] ?? 0) * (code - (zeroPoints[group] ?? 0))
    })
    // Steps that are fitted to corrected weights carry the last bits of sums that torch adds in another order.
    const differing = ours.filter((value, i) => Math.abs(value - (theirs[i] ?? 0)) > 1e-5 * Math.abs(theirs[i] ?? 0))
    expect(differing).toHaveLength(0)
  })
})
