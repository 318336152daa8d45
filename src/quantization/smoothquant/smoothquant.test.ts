import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { approximator, madeBlock, madeInputs } from '../../testing/scaled-cases.ts'
import { divideColumns, scaleColumns } from '../scaling/scaled-block.ts'
import smoothquant from '../transforms/smoothquant.ts'
import { searchAlpha } from './alpha-search.ts'
import { inputMode, roundingErrors, withOutput } from './rounded-inputs.ts'
import { columnLargest, smoothingScales } from './smoothing.ts'

const kernels = createReferenceKernels()
const settings = { alpha: 'search', activations: 'token' } as const

describe('smoothing scales', () => {
  // A vector worked out by hand from the formula of the paper.
  const inputs = Float32Array.of(8, 1, 0.5, 4)
  const weight = { data: Float32Array.of(0.5, -1, 2, 0.25, -0.25, 0.5, 1, 1), rows: 2, columns: 4 }

  it('share the range between inputs and weights', () => {
    const largest = columnLargest([weight])
    expect([...largest]).toEqual([0.5, 1, 2, 1])
    const scales = smoothingScales(0.5, inputs, largest)
    expect([...scales]).toEqual([4, 1, 0.5, 2])
    expect([...divideColumns(inputs, scales)]).toEqual([2, 1, 1, 2])
    expect([...columnLargest([{ ...weight, data: scaleColumns(weight.data, scales) }])]).toEqual([2, 1, 1, 2])
  })

  it('leave alone what calibration never saw, and keep within bounds otherwise', () => {
    expect([...smoothingScales(0.5, Float32Array.of(0, 1e-12), Float32Array.of(1, 1))]).toEqual([1, Math.fround(1e-5)])
  })
})

describe('rounded inputs', () => {
  it('take 127 steps of the largest of each token, ties to even', () => {
    const data = Float32Array.of(0.1, -1.27, 0.635, 1)
    const errors = roundingErrors({ data, rows: 1, columns: 4 }, { kind: 'int8-rows', outlierThreshold: null })
    const codes = [...data].map((value, i) => (value + (errors[i] ?? 0)) / 0.01)
    expect(codes.map((code) => Number(code.toFixed(3)))).toEqual([10, -127, 64, 100])
  })

  it('take one scale from calibration where it is fixed', () => {
    const mode = inputMode('tensor', Float32Array.of(4, 6), Float32Array.of(1, 3))
    expect(mode).toEqual({ kind: 'int8-tensor', scale: Math.fround(4 / 127) })
    if (mode.kind !== 'int8-tensor') throw new TypeError('a scale was expected')
    // Twice the range is clamped to one step beyond it.
    const [error = 0] = roundingErrors({ data: Float32Array.of(8), rows: 1, columns: 1 }, mode)
    const [below = 0] = roundingErrors({ data: Float32Array.of(-8), rows: 1, columns: 1 }, mode)
    expect([error, below]).toEqual([expect.closeTo(-4, 5), expect.closeTo(8 - (128 * 4) / 127, 5)])
    expect(withOutput(inputMode('integer', Float32Array.of(4, 6), Float32Array.of(1, 3)), 2.54)).toEqual({
      ...mode,
      outputScale: Math.fround(2.54 / 127),
    })
    expect(withOutput(mode, 0)).toMatchObject({ outputScale: Math.fround(1e-5 / 127) })
    expect(inputMode('token', Float32Array.of(1), null)).toEqual({ kind: 'int8-rows', outlierThreshold: null })
    expect(inputMode('float', Float32Array.of(1), null)).toEqual({ kind: 'none' })
    expect([...roundingErrors({ data: Float32Array.of(8), rows: 1, columns: 1 }, { kind: 'none' })]).toEqual([0])
  })
})

describe('the search for alpha', () => {
  it('finds the least squared error of the outputs', async () => {
    const inputs = await madeInputs(kernels, { tokens: 200, columns: 16, outlier: 40 })
    const weight = { data: Float32Array.from({ length: 8 * 16 }, (_, i) => Math.sin(i * 2.3)), rows: 8, columns: 16 }
    const grid = approximator(kernels, { bits: 8, isSymmetric: true, group: 'row' })
    const found = await searchAlpha([{ weight, grid }], inputs, { settings, kernels })
    const errors = new Map<number, number>()
    for (let step = 8; step <= 18; step++) errors.set(step / 20, await outputError(step / 20))
    const least = Math.min(...errors.values())
    // The search leaves out the cross term of two uncorrelated errors.
    expect(errors.get(found ?? 0)).toBeLessThan(1.05 * least)
    expect(errors.get(0.9)).toBeGreaterThan(1.2 * least)

    async function outputError(alpha: number): Promise<number> {
      const scales = smoothingScales(alpha, inputs.largest, columnLargest([weight]))
      const rounded = await grid.approximate({ ...weight, data: scaleColumns(weight.data, scales) }, inputs.meanSquare)
      const x = divideColumns(inputs.sample.data, scales)
      const errorsOfInputs = roundingErrors({ ...inputs.sample, data: x }, inputMode('token', inputs.largest, scales))
      let sum = 0
      for (let token = 0; token < inputs.sample.rows; token++) {
        for (let row = 0; row < 8; row++) {
          let difference = 0
          for (let i = 0; i < 16; i++) {
            const at = token * 16 + i
            difference += (inputs.sample.data[at] ?? 0) * (weight.data[row * 16 + i] ?? 0)
            difference -= ((x[at] ?? 0) + (errorsOfInputs[at] ?? 0)) * (rounded[row * 16 + i] ?? 0)
          }
          sum += difference ** 2
        }
      }
      return sum
    }
  })
})

describe('SmoothQuant on a block', () => {
  it('smooths what norms feed, rounds every input, and says so where inputs are no use', async () => {
    const { config, block, tensors, inputs, grids } = await madeBlock(kernels)
    const tools = { config, inputs, grids, kernels }
    const made = await smoothquant.apply(block, tensors, { settings: { alpha: 0.5, activations: 'tensor' }, ...tools })
    expect(Object.keys(made.modes)).toEqual(['q', 'k', 'v', 'o', 'gate', 'up', 'down'])
    expect(made.tensors['o']).toBe(tensors['o'])
    expect(made.tensors['attnIn']).not.toEqual(tensors['attnIn'])
    const outputs = new Map(block.linears.map(({ role }, index) => [role, 1.27 * (index + 1)]))
    const integer = await smoothquant.apply(block, tensors, { settings: { alpha: 0.5, activations: 'integer' }, outputs, ...tools })
    expect(integer.modes['q']).toEqual({ ...made.modes['q'], outputScale: Math.fround(0.01) })
    expect(integer.modes['down']).toEqual({ ...made.modes['down'], outputScale: Math.fround((7 * 1.27) / 127) })
    const broken = new Map(inputs)
    const tap = inputs.get('attnIn')
    if (tap === undefined) throw new RangeError('no inputs')
    broken.set('attnIn', { ...tap, meanSquare: tap.meanSquare.map((value, i) => (i === 3 ? Number.NaN : value)) })
    const kept = await smoothquant.apply(block, tensors, {
      settings: { alpha: 0.5, activations: 'tensor' },
      config,
      inputs: broken,
      grids,
      kernels,
    })
    expect(kept.tensors['attnIn']).toBe(tensors['attnIn'])
    expect(kept.findings.get('q')?.[0]?.cause).toContain('input column 3')
    expect(Object.keys(kept.modes)).toEqual(['o', 'gate', 'up', 'down'])
  })

  it('refuses settings it does not know by name', () => {
    expect(() => smoothquant.parse({ kind: 'smoothquant', alpha: 2 })).toThrow('The alpha of SmoothQuant is not possible')
    for (const label of [
      'smoothquant',
      'smoothquant-alpha0.85',
      'smoothquant-search-static',
      'smoothquant-a16',
      'smoothquant-alpha0.4-integer',
    ]) {
      const choice = smoothquant.fromLabel(label)
      if (choice === null) throw new TypeError(label)
      expect(smoothquant.label(smoothquant.parse(choice))).toBe(label)
    }
    expect(smoothquant.fromLabel('smoothquant-alpha7')).toBeNull()
  })
})
