import { describe, expect, it, vi } from 'vitest'
import { startThreadDouble } from '../../kernels/conformance/thread-double.ts'
import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { createKernelPool } from '../../kernels/pool.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { createWasmKernels, loadWasmOperations } from '../../kernels/wasm/index.ts'
import { approximator, inputsOf, madeBlock, madeInputs } from '../../testing/scaled-cases.ts'
import { divideColumns, scaleColumns } from '../scaling/scaled-block.ts'
import type { BlockTensors, HalfLoss, LinearGrid } from '../transform.ts'
import awq from '../transforms/awq.ts'
import { clipRanges } from './clip-search.ts'
import { type RoundedLoss, scalesAt, searchScales, weightMagnitudes } from './scale-search.ts'

// The reference's plain loops take seconds for a block.
vi.setConfig({ testTimeout: 30_000 })

const kernels = createReferenceKernels()
const settings = { scales: 'inputs-and-weights', loss: 'halves', isClipped: true } as const
const grid = approximator(kernels, { bits: 3, isSymmetric: false, group: 16 })
const weight: Matrix = {
  data: Float32Array.from({ length: 12 * 32 }, (_, i) => Math.sin(i * 2.3) * (1 + (i % 7 === 0 ? 2 : 0))),
  rows: 12,
  columns: 32,
}

const lossOf = async (approximation: Float32Array<ArrayBuffer>, gram: Float32Array, of = weight): Promise<number> =>
  kernels.traceThroughGram({ ...of, data: of.data.map((value, i) => value - (approximation[i] ?? 0)) }, gram)

describe('scales', () => {
  it('follow inputs, and weights against them, and are centred', () => {
    const inputs = Float32Array.of(16, 1, 4)
    expect([...scalesAt(0.5, inputs, null)]).toEqual([2, 0.5, 1])
    const [first = 0, second = 0, third = 0] = scalesAt(0.5, inputs, Float32Array.of(0.25, 1, 0.25))
    // 4 / 0.5001, 1 / 1.0001 and 2 / 0.5001, over the root of the first two.
    expect(first * second).toBeCloseTo(1, 5)
    expect(first / third).toBeCloseTo(2, 5)
    expect(first / second).toBeCloseTo((4 / 0.5001) * 1.0001, 4)
  })

  it('are at least 1e-4 before they are centred, and 1 where they are not finite', () => {
    const [dead = 0, loud = 0] = scalesAt(0.5, Float32Array.of(0, 1), null)
    expect(loud / dead).toBeCloseTo(1e4, -1)
    expect([...scalesAt(0.5, Float32Array.of(Infinity, 1), null)]).toEqual([1, 1])
  })

  it('take weights as shares of the largest of their group', () => {
    const small: Matrix = { data: Float32Array.of(1, -2, 4, 8, 2, 2, -1, 1), rows: 2, columns: 4 }
    const pairs = { ...grid, rangeColumns: 2 }
    const shares = weightMagnitudes([{ weight: small, grid: pairs }])
    expect([...shares].map((share) => Number(share.toFixed(4)))).toEqual([0.75, 1, 0.75, 1])
    const whole = weightMagnitudes([{ weight: small, grid: { ...grid, rangeColumns: null } }])
    expect([...whole].map((share) => Number(share.toFixed(4)))).toEqual([0.5625, 0.625, 0.5, 0.75])
  })
})

describe('the search for scales', () => {
  it('loses less than none where a column is loud, as much as the best of its points', async () => {
    const inputs = await madeInputs(kernels, { tokens: 100, columns: 32, outlier: 30 })
    const scales = await searchScales([{ role: 'down', weight, grid }], inputs, { settings, kernels })
    if (scales === null) throw new TypeError('scales were expected')
    const lossWith = async (s: Float32Array<ArrayBuffer>) =>
      lossOf(divideColumns(await grid.approximate({ ...weight, data: scaleColumns(weight.data, s) }, inputs.meanSquare), s), inputs.gram)
    const found = await lossWith(scales)
    expect(found).toBeLessThan(0.5 * (await lossOf(await grid.approximate(weight, inputs.meanSquare), inputs.gram)))
    const magnitudes = weightMagnitudes([{ weight, grid }])
    for (let k = 0; k < 20; k++) expect(found).toBeLessThanOrEqual(await lossWith(scalesAt(k / 20, inputs.meanMagnitude, magnitudes)))
    expect(scales[2]).toBe(Math.max(...scales))
  })

  it('judges a tall matrix by some of its rows first, and still never does worse than none', async () => {
    const tall: Matrix = { data: Float32Array.from({ length: 600 * 32 }, (_, i) => Math.sin(i * 1.3)), rows: 600, columns: 32 }
    const inputs = await madeInputs(kernels, { tokens: 60, columns: 32, outlier: 30 })
    const scales = await searchScales([{ role: 'down', weight: tall, grid }], inputs, {
      settings: { ...settings, scales: 'inputs' },
      kernels,
    })
    if (scales === null) throw new TypeError('scales were expected')
    const rounded = await grid.approximate({ ...tall, data: scaleColumns(tall.data, scales) }, inputs.meanSquare)
    const none = await lossOf(await grid.approximate(tall, inputs.meanSquare), inputs.gram, tall)
    expect(await lossOf(divideColumns(rounded, scales), inputs.gram, tall)).toBeLessThan(none)
  })

  it('finds none where nothing is lost, and where nothing can be known', async () => {
    const inputs = await madeInputs(kernels, { tokens: 30, columns: 32, outlier: 1 })
    const zeros = { ...weight, data: new Float32Array(weight.data.length) }
    expect(await searchScales([{ role: 'down', weight: zeros, grid }], inputs, { settings, kernels })).toBeNull()
    const gram = inputs.gram.map(() => Number.NaN)
    expect(await searchScales([{ role: 'down', weight, grid }], { ...inputs, gram }, { settings, kernels })).toBeNull()
  })
})

describe('the search for scales at the end of a half of the block', () => {
  it('takes the best of all points there, whatever the linears lose', async () => {
    const inputs = await madeInputs(kernels, { tokens: 100, columns: 32, outlier: 30 })
    const loud = { ...weight, data: weight.data.map((value, i) => (i % 32 === 2 ? value : 20 * Math.cos(i * 1.7))) }
    const [q, v] = [
      { role: 'q', weight: loud, grid },
      { role: 'v', weight, grid },
    ] as const
    // Attention in which only values matter.
    const ofValues = ({ v: values }: BlockTensors) => lossOf(values ?? new Float32Array(), inputs.gram)
    const tools = { settings: { ...settings, scales: 'inputs' }, kernels } as const
    const found = await searchScales([q, v], inputs, { ...tools, lossOf: ofValues })
    expect(found).toEqual(await searchScales([v], inputs, tools))
    expect(found).not.toEqual(await searchScales([q, v], inputs, tools))
  })

  it('loses less than none on a block', async () => {
    const { block, tensors, inputs, halfLoss } = await madeBlock(kernels)
    const taken = inputs.get('attnIn')
    if (taken === undefined) throw new RangeError('no inputs')
    const linears = block.linears
      .filter(({ tap }) => tap === 'attnIn')
      .map(({ role, outFeatures: rows, inFeatures: columns }) => {
        const data = tensors[role] ?? new Float32Array()
        return { role, grid, weight: { data, rows, columns } }
      })
    const lossWith = async (s: Float32Array<ArrayBuffer>) => {
      const changed: Record<string, Float32Array<ArrayBuffer>> = {}
      for (const { role, weight } of linears) {
        changed[role] = divideColumns(await grid.approximate({ ...weight, data: scaleColumns(weight.data, s) }, taken.meanSquare), s)
      }
      return halfLoss('attention', changed, 'all')
    }
    const lossOf = (rounded: BlockTensors) => halfLoss('attention', rounded, 'all')
    const scales = await searchScales(linears, taken, { settings, kernels, lossOf })
    if (scales === null) throw new TypeError('scales were expected')
    const found = await lossWith(scales)
    expect(found).toBeLessThan(await lossWith(scales.map(() => 1)))
    const magnitudes = weightMagnitudes(linears)
    for (let k = 0; k < 20; k++) expect(found).toBeLessThanOrEqual(await lossWith(scalesAt(k / 20, taken.meanMagnitude, magnitudes)))
  })

  it('lets some tokens choose whom all of them judge, never without a try of no scales', async () => {
    const inputs = await madeInputs(kernels, { tokens: 30, columns: 32, outlier: 30 })
    const tools = { settings: { ...settings, scales: 'inputs' }, kernels } as const
    const asked: string[] = []
    // Some like the strongest scales best; all like none best, or see a gain in scaling.
    const lossOf = (isNoneBest: boolean): RoundedLoss => {
      let calls = 0
      return (_, tokens) => {
        asked.push(tokens)
        calls++
        return Promise.resolve(tokens === 'some' ? 100 - calls : isNoneBest ? 50 - calls : calls)
      }
    }
    expect(await searchScales([{ role: 'q', weight, grid }], inputs, { ...tools, lossOf: lossOf(true) })).toBeNull()
    expect(asked).toEqual([...Array.from({ length: 21 }, () => 'some'), 'all', 'all', 'all', 'all'])
    const found = await searchScales([{ role: 'q', weight, grid }], inputs, { ...tools, lossOf: lossOf(false) })
    expect(found).toEqual(scalesAt(19 / 20, inputs.meanMagnitude, null))
  })

  it('keeps what loses nothing, and what cannot be told', async () => {
    const inputs = await madeInputs(kernels, { tokens: 30, columns: 32, outlier: 30 })
    for (const loss of [0, Number.NaN]) {
      const lossOf = () => Promise.resolve(loss)
      expect(await searchScales([{ role: 'q', weight, grid }], inputs, { settings, kernels, lossOf })).toBeNull()
    }
  })
})

describe('the search for ranges', () => {
  /** Inputs that share a part, so that errors of one column add to those of others. */
  const related = async (columns: number) => {
    const data = Float32Array.from({ length: 100 * columns }, (_, i) => Math.sin(Math.floor(i / columns) * 1.7) + 0.5 * Math.sin(i * 2.1))
    return inputsOf(kernels, { data, rows: 100, columns })
  }
  const data = weight.data.slice()
  data[3] = 9
  const spiked = { ...weight, data }
  const scales = Float32Array.from({ length: 32 }, (_, i) => 1 + (i % 3))
  const scaled = { ...spiked, data: scaleColumns(data, scales) }
  const cases = [
    [spiked, null],
    [scaled, scales],
  ] as const
  const rows = { ...grid, isFinal: true }
  const groups = { ...grid, isFinal: false }

  /** d G d^T of every `span` columns of the rows, with ranges as they are and as they are found. */
  async function lossesOf([of, by]: (typeof cases)[number], used: LinearGrid, span: number) {
    const inputs = await related(32)
    const clipped = await clipRanges(of, { grid: used, inputs, scales: by, rangeColumns: 16 }, { kernels })
    const losses = async (values: Float32Array<ArrayBuffer>) => {
      const rounded = await grid.approximate({ ...of, data: values }, inputs.meanSquare)
      const delta = rounded.map((value, i) => (of.data[i] ?? 0) - value)
      return kernels.groupLosses({ ...of, data: by === null ? delta : divideColumns(delta, by) }, inputs.gram, span)
    }
    return { clipped, before: await losses(of.data), after: await losses(clipped) }
  }

  it('clamps each group where that loses least, alone, before a rounding that makes up for errors', async () => {
    for (const one of cases) {
      const { clipped, before, after } = await lossesOf(one, groups, 16)
      expect(after.every((loss, group) => loss <= (before[group] ?? 0) * (1 + 1e-6))).toBe(true)
      expect(after.some((loss, group) => loss < 0.95 * (before[group] ?? 0))).toBe(true)
      // No range is narrower than 11 of 20 parts.
      const largest = (values: Float32Array) => values.subarray(0, 16).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expect(largest(clipped)).toBeGreaterThanOrEqual(0.55 * largest(one[0].data) - 1e-6)
    }
  })

  it('has the groups of a row make up for each other: none loses more than by groups alone, all of them much less', async () => {
    for (const one of cases) {
      const { after: alone } = await lossesOf(one, groups, 32)
      const { after: together } = await lossesOf(one, rows, 32)
      expect(together).toHaveLength(12)
      expect(together.every((loss, row) => loss <= (alone[row] ?? 0) * (1 + 1e-5))).toBe(true)
      const sum = (losses: Float64Array) => losses.reduce((total, loss) => total + loss, 0)
      expect(sum(together)).toBeLessThan(0.8 * sum(alone))
    }
  })

  it('searches rows in bands, and each as if it were alone', async () => {
    const inputs = await related(32)
    const from = { grid: rows, inputs, scales: null, rangeColumns: 16 }
    const whole = await clipRanges(spiked, from, { kernels })
    for (let row = 0; row < weight.rows; row++) {
      const one = { data: data.slice(row * 32, (row + 1) * 32), rows: 1, columns: 32 }
      expect(await clipRanges(one, from, { kernels })).toEqual(whole.slice(row * 32, (row + 1) * 32))
    }
  })

  it('finds the same for any number of threads', async () => {
    const inputs = await related(288)
    const data = Float32Array.from({ length: 40 * 288 }, (_, i) => Math.sin(i * 2.3) + (i % 7 === 0 ? 2 : 0))
    const found = (on: Kernels) =>
      clipRanges({ data, rows: 40, columns: 288 }, { grid: rows, inputs, scales: null, rangeColumns: 16 }, { kernels: on })
    const alone = await found(await createWasmKernels())
    const pool = await createKernelPool({ threads: 3, spawn: () => startThreadDouble(loadWasmOperations).port })
    try {
      expect(await found(pool)).toEqual(alone)
      expect(alone).not.toEqual(data)
    } finally {
      await pool.close()
    }
  })

  it('leaves ranges as they are where nothing can be told', async () => {
    const inputs = await related(32)
    const gram = inputs.gram.map(() => Number.NaN)
    const clipped = await clipRanges(spiked, { grid: rows, inputs: { ...inputs, gram }, scales: null, rangeColumns: 16 }, { kernels })
    expect(clipped).toEqual(spiked.data)
  })
})

describe('AWQ on a block', () => {
  it('scales four pairs, clips all but queries and keys, and says where inputs are no use', async () => {
    const { config, block, tensors, inputs, grids, halfLoss } = await madeBlock(kernels)
    const made = await awq.apply(block, tensors, { settings, config, inputs, grids, halfLoss, kernels })
    const open = await awq.apply(block, tensors, {
      settings: { ...settings, isClipped: false },
      config,
      inputs,
      grids,
      halfLoss,
      kernels,
    })
    expect(made.tensors['q']).toEqual(open.tensors['q'])
    expect(made.tensors['up']).not.toEqual(open.tensors['up'])
    const tap = inputs.get('mlpIn')
    if (tap === undefined) throw new RangeError('no inputs')
    const silent = new Map(inputs).set('mlpIn', { ...tap, meanSquare: tap.meanSquare.map(() => 0) })
    const kept = await awq.apply(block, tensors, { settings, config, inputs: silent, grids, halfLoss, kernels })
    expect(kept.findings.get('gate')).toEqual([
      {
        cause: 'Everything that calibration saw go into this matrix is 0.',
        tried: 'The linear was quantized without AWQ scales.',
        remedy: 'Calibrate on other text.',
      },
    ])
    expect(kept.tensors['mlpIn']).toBe(tensors['mlpIn'])
    expect(awq.changes(block, settings)).toHaveLength(7 + 2 + 1)
  })

  it('judges linears that share an input at the end of their half unless it is told not to', async () => {
    const { config, block, tensors, inputs, grids, halfLoss } = await madeBlock(kernels)
    const asked: string[] = []
    const noted: HalfLoss = (half, changed, tokens) => {
      asked.push(`${half} on ${tokens}: ${Object.keys(changed).join()}`)
      return halfLoss(half, changed, tokens)
    }
    await awq.apply(block, tensors, { settings, config, inputs, grids, halfLoss: noted, kernels })
    const times = (count: number, what: string) => Array.from({ length: count }, () => what)
    const [some, all] = ['attention on some: q,k,v', 'attention on all: q,k,v']
    expect(asked.slice(0, 24)).toEqual([...times(21, some), ...times(3, all)])
    expect(new Set(asked)).toEqual(new Set([some, all, 'mlp on some: gate,up', 'mlp on all: gate,up']))
    const count = asked.length
    const linears = { ...settings, loss: 'linears' } as const
    expect([awq.needsHalfLoss?.(settings), awq.needsHalfLoss?.(linears)]).toEqual([true, false])
    await awq.apply(block, tensors, { settings: linears, config, inputs, grids, halfLoss: noted, kernels })
    expect(asked).toHaveLength(count)
    await expect(awq.apply(block, tensors, { settings, config, inputs, grids, kernels })).rejects.toThrow('nothing to measure them with')
  })

  it('counts the passes that it makes', async () => {
    const { block } = await madeBlock(kernels)
    const [halves, linears] = [settings, { ...settings, loss: 'linears' } as const].map((one) => awq.operations(block, one))
    // Of all linears 21 passes over 512 tokens and 5 over 2048, in place of 21 traces of q, k, v, gate and up.
    const weights = 4 * 32 * 32 + 3 * 32 * 64
    expect((halves ?? 0) - (linears ?? 0)).toBe((21 * 512 + 5 * 2048) * weights - (21 * (3 * 32 + 2 * 64) * 32 ** 2) / 2)
  })

  it('leaves a block alone whose linears stay float', async () => {
    const { config, block, tensors, inputs } = await madeBlock(kernels)
    const made = await awq.apply(block, tensors, { settings, config, inputs, grids: new Map(), kernels })
    expect(made.tensors).toEqual(tensors)
  })

  it('names its settings in ids and refuses others', () => {
    for (const label of ['awq', 'awq-plain', 'awq-linears', 'awq-noclip', 'awq-linears-noclip', 'awq-plain-linears-noclip']) {
      const choice = awq.fromLabel(label)
      if (choice === null) throw new TypeError(label)
      expect(awq.label(awq.parse(choice))).toBe(label)
    }
    expect(awq.fromLabel('awq-other')).toBeNull()
    expect(() => awq.parse({ kind: 'awq', clip: 'no' })).toThrow('The clip of AWQ is not possible')
  })
})
