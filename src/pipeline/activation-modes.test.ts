import { describe, expect, it, vi } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { modesKey } from '../runtime/graphs/activations.ts'
import { openTiny, runTiny, tinyRequest, wasmEngine } from '../testing/tiny-run.ts'
import { activationModesOf, inputModesOf, isInputRounded, plannedInputModes } from './activation-modes.ts'
import type { EngineFactory } from './engine-supply.ts'
import { generateAll } from './generate-run.ts'
import { requireResult } from './run-result.ts'

vi.setConfig({ testTimeout: 60_000 })

const mode = { kind: 'int8-rows', outlierThreshold: 1 }
const all = Object.fromEntries(['q', 'k', 'v', 'o', 'gate', 'up', 'down'].map((role) => [role, mode]))

/** An engine that notes with which modes blocks are loaded. */
function noting(loads: BlockActivationModes[]): EngineFactory {
  return async () => {
    const engine = await wasmEngine()
    return {
      ...engine,
      openModel: async (graph, signal) => {
        const runner = await engine.openModel(graph, signal)
        return {
          loadHeadTile: (norm, rows) => runner.loadHeadTile(norm, rows),
          loadHalf: (half, weights) => runner.loadHalf(half, weights),
          close: () => runner.close(),
          loadBlock: (weights, modes = {}) => {
            loads.push(modes)
            return runner.loadBlock(weights, modes)
          },
        }
      },
    }
  }
}

describe('modes of a block', () => {
  it('are those of the grids of its linears', async () => {
    const { checkpoint } = await openTiny()
    const [block] = checkpoint.graph.blocks
    if (block === undefined) throw new RangeError('no block')
    const modesOf = (recipe: string) => activationModesOf(resolveTensors(checkpoint.graph, parseRecipe(recipe)), block)
    expect(modesOf('llm-int8-t1')).toEqual(all)
    expect(modesOf('int8-rows')).toEqual({})
    expect(modesOf('Q4_0')).toEqual({})
    const others = Object.fromEntries(Object.entries(all).filter(([role]) => role !== 'down'))
    const grid = '{"kind":"int8-rows","activations":"int8","threshold":1}'
    expect(modesOf(`{"id":"x","grid":${grid},"overrides":[{"match":"*down_proj.weight","grid":"float"}]}`)).toEqual(others)
  })

  it('are known to exports by weight: before a run but for the scales, after it with them', async () => {
    const { checkpoint } = await openTiny()
    const { graph } = checkpoint
    const planned = (id: string) => {
      const recipe = parseRecipe(id)
      return plannedInputModes(graph, recipe, resolveTensors(graph, recipe))
    }
    expect(planned('smoothquant-w8a8-static').size).toBe(7 * graph.blocks.length)
    expect(planned('smoothquant-w8a8-static').get('model.layers.1.mlp.up_proj.weight')).toEqual({ kind: 'int8-tensor', scale: Number.NaN })
    expect(planned('smoothquant-w8a8').get('model.layers.0.self_attn.q_proj.weight')).toEqual({ kind: 'int8-rows', outlierThreshold: null })
    expect(planned('smoothquant-a16-8bit-channel-sym').size).toBe(0)
    expect(planned('llm-int8-t1').get('model.layers.0.self_attn.q_proj.weight')).toEqual(mode)
    const recipe = parseRecipe('smoothquant-w8a8-static')
    const found = inputModesOf(graph, resolveTensors(graph, recipe), ({ index }) =>
      index === 1 ? { up: { kind: 'int8-tensor', scale: 0.5 } } : undefined,
    )
    expect([...found]).toEqual([['model.layers.1.mlp.up_proj.weight', { kind: 'int8-tensor', scale: 0.5 }]])
  })

  it('name the same graph whatever their order, and another for another threshold', () => {
    const rows = { kind: 'int8-rows', outlierThreshold: 6 } as const
    expect(modesKey({ q: rows, k: rows })).toBe(modesKey({ k: rows, q: rows, v: { kind: 'none' } }))
    expect(modesKey({ q: rows })).not.toBe(modesKey({ q: { ...rows, outlierThreshold: null } }))
    expect(modesKey({ q: { kind: 'int8-tensor', scale: 1 } })).toBe(modesKey({ q: { kind: 'int8-tensor', scale: 2 } }))
    expect(modesKey({})).toBe('')
  })
})

describe('LLM.int8() in a run', () => {
  it('stores what int8 rows store, and rounds inputs in the figures and in texts', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const loads: BlockActivationModes[] = []
    const report = await runTiny({ model, request: tinyRequest(['int8-rows', 'llm-int8-t1']), store, engines: [noting(loads)] })
    // Each of three blocks: the float model, the first recipe, the second.
    expect(loads).toEqual([{}, {}, all, {}, {}, all, {}, {}, all])
    const [plain, rounded] = report.recipes
    expect(rounded?.perplexity).not.toEqual(plain?.perplexity)
    expect(rounded?.bytes).toBe(plain?.bytes)
    expect(isInputRounded(model.checkpoint.graph, resolveTensors(model.checkpoint.graph, parseRecipe('int8-rows')))).toBe(false)
    expect(isInputRounded(model.checkpoint.graph, resolveTensors(model.checkpoint.graph, parseRecipe('llm-int8')))).toBe(true)
    const result = await requireResult(store, report.planHash)
    const checksums = Object.values(result.tensors).map((tensors) => tensors.flatMap(({ tiles }) => tiles.map(({ checksum }) => checksum)))
    expect(checksums[1]).toEqual(checksums[0])
    expect(checksums[0]).toHaveLength(21)

    loads.length = 0
    const engine = await noting(loads)()
    const runner = await engine.openModel(model.checkpoint.graph)
    const tools = { ...model, store, kernels: createReferenceKernels(), runner, residentBytes: 1e9, now: () => 0 }
    const request = {
      prompt: 'abc',
      maxTokens: 3,
      temperature: 0,
      seed: 1,
      recipeIds: ['int8-rows', 'llm-int8-t1'],
      planHash: report.planHash,
    }
    await generateAll(tools, { request, result }, () => undefined, new AbortController().signal)
    expect(loads).toEqual([{}, {}, {}, {}, {}, {}, all, all, all])
    await runner.close()
    await engine.close()
  })
})
