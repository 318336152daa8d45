import { describe, expect, it, vi } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTiny, runTinyRequest, tinyRequest } from '../testing/tiny-run.ts'
import { shareOfZeros } from './measure.ts'
import type { RunRequest } from './plan.ts'
import { requireResult } from './run-result.ts'
import { readStored } from './stored-tensor.ts'
import { dequantize } from './weights.ts'

vi.setConfig({ testTimeout: 60_000 })

const calibration = {
  text: 'zyxwvutsrqponmlkjihgfedcbaacegikmoqsuwybdfhjlnprtvxz'.repeat(6),
  textName: 'backwards',
  maxTokens: 72,
  contextLength: 12,
  usesChatTemplate: false,
}
const kernels = createReferenceKernels()
const recipes = ['nearest-8bit-channel-sym', 'prune50-8bit-channel-sym', 'wanda50-8bit-channel-sym', 'prune2of4-8bit-channel-sym']

describe('a run that prunes', () => {
  it('stores the zeros it was asked for, says how many, and counts the error against the whole weights', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const report = await runTiny({ model, request: { ...tinyRequest(recipes), calibration }, store })
    const result = await requireResult(store, report.planHash)
    const [plain, ...pruned] = report.recipes
    expect(plain?.layers.every((layer) => layer.sparsity === undefined)).toBe(true)
    for (const { id, layers } of pruned) {
      for (const stored of result.tensors[id] ?? []) {
        const values = await dequantize(kernels, await readStored(store, stored), new AbortController().signal)
        const layer = layers.find(({ name }) => name === stored.name)
        expect(layer?.sparsity).toBe(shareOfZeros(values))
        // Weights below half a step join those that were pruned.
        expect(shareOfZeros(values)).toBeGreaterThanOrEqual(0.49)
        if (id.includes('2of4')) {
          for (let at = 0; at < values.length; at += 4) expect(shareOfZeros(values.slice(at, at + 4))).toBeGreaterThanOrEqual(0.5)
        }
      }
    }
    const errors = report.recipes.map(({ layers }) => layers.reduce((sum, { outputError }) => sum + (outputError ?? Number.NaN), 0))
    const [whole = 0, byMagnitude = 0, byInputs = 0] = errors
    expect(byMagnitude).toBeGreaterThan(10 * whole)
    expect(byInputs).toBeLessThan(byMagnitude)
  })

  it('prunes linears that stay float too, and stores them as floats', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const recipe = JSON.stringify({
      id: 'sparse',
      transform: { kind: 'prune', sparsity: 60 },
      grid: { kind: 'ggml', type: 'Q8_0' },
      overrides: [{ match: '*o_proj*', grid: 'float' }],
    })
    const report = await runTiny({ model, request: tinyRequest([recipe]), store })
    const result = await requireResult(store, report.planHash)
    const stored = result.tensors['sparse']?.find(({ name }) => name.endsWith('0.self_attn.o_proj.weight'))
    if (stored === undefined) throw new RangeError('the linear was not stored')
    const tensor = await readStored(store, stored)
    if (tensor.encoding !== 'float') throw new TypeError(tensor.encoding)
    expect(shareOfZeros(tensor.values)).toBeCloseTo(0.6, 2)
  })

  it('is refused without any text, since only whole blocks can be pruned', async () => {
    const model = await openTiny()
    const request: RunRequest = { ...tinyRequest(['prune50-4bit-g16']), evaluation: null }
    const fault = await faultOf(() => runTinyRequest({ model, request, store: new MemoryFileStore() }))
    expect(fault.message).toMatch(/^prune50-4bit-g16: Pruning by magnitude: this changes whole blocks/)
  })
})
