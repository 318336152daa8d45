import { describe, expect, it, vi } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { modesKey } from '../runtime/graphs/activations.ts'
import { openTiny, runTiny, stopAfterFirstBlock, tinyRequest, tinyText, wasmEngine } from '../testing/tiny-run.ts'
import { activationModesOf, inputModesOf, isInputRounded, measuredModesOf, plannedInputModes } from './activation-modes.ts'
import type { EngineFactory } from './engine-supply.ts'
import type { RunEvent } from './events.ts'
import { generateAll } from './generate-run.ts'
import { requireResult } from './run-result.ts'

vi.setConfig({ testTimeout: 60_000 })

const mode = { kind: 'int8-rows', outlierThreshold: 1 }
const all = Object.fromEntries(['q', 'k', 'v', 'o', 'gate', 'up', 'down'].map((role) => [role, mode]))

/** An engine that notes with which modes blocks are loaded, and heads where inputs of theirs are rounded. */
function noting(loads: BlockActivationModes[]): EngineFactory {
  return async () => {
    const engine = await wasmEngine()
    return {
      ...engine,
      openModel: async (graph, signal) => {
        const runner = await engine.openModel(graph, signal)
        return {
          loadHeadTile: (norm, rows, head) => {
            if (head !== undefined && head.kind !== 'none') loads.push({ head })
            return runner.loadHeadTile(norm, rows, head)
          },
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
    const isRounded = (id: string, inputs: 'float' | 'llama.cpp' = 'float') =>
      isInputRounded(model.checkpoint.graph, resolveTensors(model.checkpoint.graph, parseRecipe(id)), inputs)
    expect(['int8-rows', 'llm-int8', 'Q4_0'].map((id) => isRounded(id))).toEqual([false, true, false])
    expect(['int8-rows', 'llm-int8', 'Q4_0'].map((id) => isRounded(id, 'llama.cpp'))).toEqual([false, true, true])
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

describe('inputs of llama.cpp in a run', () => {
  const q8 = { kind: 'int8-blocks', columns: 32, scale: 'half' } as const
  const inBlocks = Object.fromEntries(Object.keys(all).map((role) => [role, q8]))
  const calibration = { text: tinyText, textName: 'letters', maxTokens: 64, contextLength: 16, usesChatTemplate: false }
  const recipe = '{"id":"own","grid":{"kind":"ggml","type":"Q4_0"},"rounding":{"kind":"gptq"},"head":"grid"}'

  it('are taken where a recipe of blocks is measured, and not where it learns: it stores the same', async () => {
    const model = await openTiny()
    const run = async (inputs: 'float' | 'llama.cpp') => {
      const store = new MemoryFileStore()
      const loads: BlockActivationModes[] = []
      const request = { ...tinyRequest([recipe, 'nearest-4bit-g32'], { inputs }), calibration }
      const report = await runTiny({ model, request, store, engines: [noting(loads)] })
      return { report, loads, store, result: await requireResult(store, report.planHash) }
    }
    const [floats, rounded] = [await run('float'), await run('llama.cpp')]
    expect(floats.loads.every((modes) => Object.keys(modes).length === 0)).toBe(true)
    // Of a block: float, four groups that learn, what is measured, what is learnt from on; the recipe that is not in blocks. Then the head.
    const ofBlock = [{}, {}, {}, {}, {}, inBlocks, {}, {}]
    expect(rounded.loads).toEqual([...ofBlock, ...ofBlock, ...ofBlock, { head: q8 }])
    const checksums = ({ result }: typeof floats) =>
      Object.values(result.tensors).map((tensors) => tensors.flatMap(({ tiles }) => tiles.map(({ checksum }) => checksum)))
    expect(checksums(rounded)).toEqual(checksums(floats))
    expect(rounded.report.evaluation.inputs).toBe('llama.cpp')
    expect(rounded.report.evaluation.float).toEqual(floats.report.evaluation.float)
    expect(rounded.report.planHash).not.toBe(floats.report.planHash)
    const [before, after] = [floats, rounded].map(({ report }) => report.recipes)
    expect(after?.map(({ layers }) => layers)).toEqual(before?.map(({ layers }) => layers))
    expect(after?.[0]?.perplexity).not.toBe(before?.[0]?.perplexity)
    expect(after?.[1]?.perplexity).toBe(before?.[1]?.perplexity)

    const { report, store, result, loads } = rounded
    loads.length = 0
    const engine = await noting(loads)()
    const runner = await engine.openModel(model.checkpoint.graph)
    const tools = { ...model, store, kernels: createReferenceKernels(), runner, residentBytes: 1e9, now: () => 0 }
    const asked = { prompt: 'abc', maxTokens: 2, temperature: 0, seed: 1, recipeIds: ['own'], planHash: report.planHash }
    await generateAll(tools, { request: asked, result }, () => undefined, new AbortController().signal)
    expect(loads).toEqual([{}, {}, {}, inBlocks, inBlocks, inBlocks, { head: q8 }])
    await runner.close()
    await engine.close()
  })

  it('go on after a stop with the same figures, and never from a run in floats', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'], { inputs: 'llama.cpp' })
    const straight = await runTiny({ model, request, store: new MemoryFileStore() })
    const store = new MemoryFileStore()
    await stopAfterFirstBlock({ model, request: tinyRequest(['Q4_0']), store })
    const resumed: number[] = []
    const note = (event: RunEvent): void => {
      if (event.kind === 'started') resumed.push(event.resumedBlocks)
    }
    await stopAfterFirstBlock({ model, request, store })
    const report = await runTiny({ model, request, store }, note)
    expect(report.recipes[0]?.perplexity).toBe(straight.recipes[0]?.perplexity)
    const floats = await runTiny({ model, request: tinyRequest(['Q4_0']), store }, note)
    expect(floats.recipes[0]?.perplexity).not.toBe(straight.recipes[0]?.perplexity)
    expect(resumed).toEqual([1, 1])
  })

  it('do not replace what a recipe itself rounds to', async () => {
    const { checkpoint } = await openTiny()
    const [block] = checkpoint.graph.blocks
    if (block === undefined) throw new RangeError('no block')
    const grid = '{"kind":"int8-rows","activations":"int8","threshold":1}'
    const mixed = `{"id":"x","grid":${grid},"overrides":[{"match":"*up_proj.weight","grid":{"kind":"ggml","type":"F16"}},{"match":"*down_proj.weight","grid":"float"}]}`
    const resolved = resolveTensors(checkpoint.graph, parseRecipe(mixed))
    const expected = Object.fromEntries(Object.entries({ ...all, up: { kind: 'half' } }).filter(([role]) => role !== 'down'))
    expect(measuredModesOf(resolved, block, { ofTransform: undefined, inputs: 'llama.cpp' })).toEqual(expected)
    const own = { up: { kind: 'int8-tensor', scale: 1 } } as const
    expect(measuredModesOf(resolved, block, { ofTransform: own, inputs: 'llama.cpp' })).toMatchObject(own)
  })
})
