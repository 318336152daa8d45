import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openCheckpoint } from '../checkpoint/open.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { startThreadDouble } from '../kernels/conformance/thread-double.ts'
import { createKernelPool } from '../kernels/pool.ts'
import { loadWasmOperations } from '../kernels/wasm/index.ts'
import { roundings } from '../quantization/registry.ts'
import type { Rounding, RoundingOptions } from '../quantization/rounding.ts'
import { parseWithoutSettings } from '../quantization/without-settings.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { faultOf } from '../testing/fault-of.ts'
import { readBlock } from '../testing/float-forward.ts'
import { referencePass } from '../testing/reference-forward.ts'
import { storedTensors } from '../testing/stored-tensors.ts'
import { tinyModel } from '../testing/tiny-model.ts'
import { openTiny, runTiny, tinyRequest } from '../testing/tiny-run.ts'
import type { RunEvent } from './events.ts'
import { type OpenModel, planRun } from './execute-run.ts'
import { activationsOf } from './learning.ts'
import type { RunRequest } from './plan.ts'
import { prepareTexts } from './texts.ts'

vi.setConfig({ testTimeout: 60_000 })

const calibration = {
  text: 'zyxwvutsrqponmlkjihgfedcbaacegikmoqsuwybdfhjlnprtvxz'.repeat(6),
  textName: 'backwards',
  maxTokens: 72,
  contextLength: 12,
  usesChatTemplate: false,
}

const requestOf = (recipes: readonly string[]): RunRequest => ({ ...tinyRequest(recipes), calibration })

/** What a rounding was given, by tensor. */
let seen: Map<string, Pick<RoundingOptions, 'activations' | 'importance'>>

/** Nearest, but it writes down what it could have learnt, and lets it show in the bytes. */
function probe(needsActivations: Rounding['needsActivations'], isSequential: boolean): Rounding {
  const weighted = roundings.get('weighted')
  return {
    ...weighted,
    kind: 'probe',
    parse: (choice) => parseWithoutSettings('the probe', choice),
    supports: () => true,
    needsActivations,
    isTrueSequential: () => isSequential,
    quantize(name, weight, options) {
      const { activations, importance } = options
      seen.set(name, { activations, importance })
      return weighted.quantize(name, weight, options)
    },
  }
}

function install(member: Rounding): void {
  const get = roundings.get.bind(roundings)
  vi.spyOn(roundings, 'get').mockImplementation((kind) => (kind === 'probe' ? member : get(kind)))
}

const probed = (id: string): string => JSON.stringify({ id, grid: { kind: 'ggml', type: 'Q4_0' }, rounding: { kind: 'probe' } })

/** Mean squares of the calibration text's inputs in f64, block by block; `quantized` replaces weights on the way. */
async function expectedInputs(
  model: OpenModel,
  weightsFor: (block: number, before: 'q' | 'o' | 'gate' | 'down' | 'end') => Promise<Readonly<Record<string, Float32Array<ArrayBuffer>>>>,
): Promise<Map<string, Float64Array>> {
  const { graph } = model.checkpoint
  const { hidden } = graph.config
  const embedding = await model.checkpoint.readFloat(graph.embedding.name)
  const windows = prepareTexts(requestOf(['Q4_0']), model).calibration
  const found = new Map<string, Float64Array>()
  let states: Float64Array[] = windows.map(({ ids }) =>
    Float64Array.from([...ids].flatMap((id) => [...embedding.subarray(id * hidden, (id + 1) * hidden)])),
  )
  const tokens = windows.reduce((sum, { ids }) => sum + ids.length, 0)
  for (const block of graph.blocks) {
    for (const role of ['q', 'o', 'gate', 'down'] as const) {
      const weights = await weightsFor(block.index, role)
      const linear = block.linears.find((one) => one.role === role)
      const sums = new Float64Array(linear?.inFeatures ?? 0)
      for (const state of states) {
        const input = referencePass(graph.config, weights, state).inputs[role]
        for (const [i, value] of input.entries()) sums[i % sums.length] = (sums[i % sums.length] ?? 0) + value * value
      }
      const sharing = block.linears.filter((one) => one.tap === linear?.tap)
      for (const { weight } of sharing)
        found.set(
          weight,
          sums.map((sum) => sum / tokens),
        )
    }
    const weights = await weightsFor(block.index, 'end')
    states = states.map((state) => referencePass(graph.config, weights, state).output)
  }
  return found
}

/** Importance to f32's precision, and with `own` inputs G over all tokens, whose diagonal it is. */
function expectClose(expected: ReadonlyMap<string, Float64Array>, needs: 'float' | 'own'): void {
  for (const [name, values] of expected) {
    const given = seen.get(name)
    expect(given?.importance).toHaveLength(values.length)
    expect(given?.activations?.tokens).toBe(needs === 'own' ? 72 : undefined)
    expect(given?.activations?.meanSquare).toEqual(needs === 'own' ? given?.importance : undefined)
    expect(given?.activations?.gram.length).toBe(needs === 'own' ? values.length ** 2 : undefined)
    const largest = values.reduce((most, value) => Math.max(most, value), 0)
    for (const [i, value] of values.entries()) expect(Math.abs((given?.importance?.[i] ?? 0) - value)).toBeLessThan(2e-5 * largest)
  }
}

beforeEach(() => {
  seen = new Map()
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('what a rounding learns from', () => {
  it('is the mean square of the float inputs over all calibration tokens: what an imatrix of llama.cpp holds', async () => {
    install(probe('float', false))
    const model = await openTiny()
    await runTiny({ model, request: requestOf([probed('a')]), store: new MemoryFileStore() })
    const weights = await Promise.all(model.checkpoint.graph.blocks.map((block) => readBlock(model.checkpoint, block)))
    const expected = await expectedInputs(model, async (block) => weights[block] ?? {})
    expect(expected.size).toBe(21)
    expectClose(expected, 'float')
  })

  it.each([
    ['as every earlier linear left them', true],
    ['as the earlier blocks left them', false],
  ])('is the recipe’s own inputs, %s', async (_, isSequential) => {
    install(probe('own', isSequential))
    const model = await openTiny()
    const { checkpoint } = model
    const store = new MemoryFileStore()
    const quantized = new Map<string, Float32Array<ArrayBuffer>>()
    const member = roundings.get('probe')
    const spied: Rounding = {
      ...member,
      async quantize(name, weight, options) {
        const tensor = await member.quantize(name, weight, options)
        if (tensor.encoding === 'ggml') quantized.set(name, await options.kernels.dequantizeGgml(tensor.blocks, weight, tensor.type))
        return tensor
      },
    }
    vi.restoreAllMocks()
    install(spied)
    await runTiny({ model, request: requestOf([probed('a')]), store })
    const groups = { q: 0, o: 3, gate: 4, down: 6, end: 7 }
    const expected = await expectedInputs(model, async (index, before) => {
      const block = checkpoint.graph.blocks[index]
      if (block === undefined) throw new RangeError(`block ${index}`)
      const done = before === 'end' ? 7 : isSequential ? groups[before] : 0
      const replaced = block.linears.slice(0, done).map(({ role, weight }) => [role, quantized.get(weight)] as const)
      return { ...(await readBlock(checkpoint, block)), ...Object.fromEntries(replaced) } as Record<string, Float32Array<ArrayBuffer>>
    })
    expectClose(expected, 'own')
  })

  it('is nothing for embedding and head', async () => {
    install(probe('float', false))
    const model = await openTiny({ config: { tie_word_embeddings: false } })
    const whole = JSON.stringify({ ...(JSON.parse(probed('all')) as object), embedding: 'grid', head: 'grid' })
    await runTiny({ model, request: requestOf([whole]), store: new MemoryFileStore() })
    expect(seen.get(model.checkpoint.graph.embedding.name)).toEqual({ activations: null, importance: null })
    expect(seen.get('lm_head.weight')).toEqual({ activations: null, importance: null })
  })

  it('takes the diagonal of X^T X', () => {
    expect([...activationsOf(Float32Array.of(8, 3, 9, 2), 4).meanSquare]).toEqual([2, 0.5])
  })
})

describe('a calibrated run', () => {
  it.each([true, false])('gives the same bytes after a stop, in memory or spilled (true-sequential %s)', async (isSequential) => {
    install(probe('own', isSequential))
    const model = await openTiny()
    const request = requestOf([probed('a'), 'Q4_0+imatrix', 'Q4_0'])
    const straight = new MemoryFileStore()
    const report = await runTiny({ model, request, store: straight })
    const stopped = new MemoryFileStore()
    const stop = new AbortController()
    const onEvent = (event: RunEvent): void => {
      if (event.kind === 'block-stored' && event.block === 1) stop.abort()
    }
    expect((await faultOf(() => runTiny({ model, request, store: stopped }, onEvent, stop.signal))).code).toBe('aborted')
    const resumed = await runTiny({ model, request, store: stopped, memoryLimitBytes: 1 })
    expect(resumed.recipes.map(({ perplexity }) => perplexity)).toEqual(report.recipes.map(({ perplexity }) => perplexity))
    expect(await storedTensors(stopped, report.planHash)).toEqual(await storedTensors(straight, report.planHash))
  })

  it('gives the same bytes on one thread and on three', async () => {
    install(probe('own', true))
    const files = tinyModel({ config: { hidden_size: 96, intermediate_size: 160, num_hidden_layers: 2 } })
    const checkpoint = await openCheckpoint({ name: 'wider', originKind: 'files', files })
    const { tokenizer } = await openTiny()
    const request = requestOf([probed('a'), 'Q4_0+imatrix'])
    const all: string[][] = []
    for (const threads of [1, 3]) {
      const kernels = await createKernelPool({ threads, spawn: () => startThreadDouble(loadWasmOperations).port })
      const engines = [() => createOnnxEngine({ backend: 'wasm', threads })]
      const store = new MemoryFileStore()
      const { planHash } = await runTiny({ model: { checkpoint, tokenizer }, request, store, kernels, engines })
      all.push(await storedTensors(store, planHash))
      await kernels.close()
    }
    expect(all[1]).toEqual(all[0])
  })

  it('draws its windows by the seed', async () => {
    const model = await openTiny()
    const tensors: string[][] = []
    for (const seed of [0, 0, 5]) {
      const store = new MemoryFileStore()
      const { planHash } = await runTiny({ model, request: { ...requestOf(['Q4_0+imatrix']), seed }, store })
      tensors.push((await storedTensors(store, planHash)).map((line) => line.slice(line.indexOf(' '))))
    }
    expect(tensors[1]).toEqual(tensors[0])
    expect(tensors[2]).not.toEqual(tensors[0])
  })

  it('records what it was calibrated on', async () => {
    const model = await openTiny()
    const report = await runTiny({ model, request: requestOf(['Q4_0+imatrix']), store: new MemoryFileStore() })
    expect(report.calibration).toMatchObject({ textName: 'backwards', windows: 6, contextLength: 12, tokens: 72 })
  })

  it('is planned with what it keeps and what it computes', async () => {
    const model = await openTiny()
    const planOf = async (needs: Rounding['needsActivations'], isSequential: boolean) => {
      vi.restoreAllMocks()
      install(probe(needs, isSequential))
      const machine = { store: new MemoryFileStore(), threads: 1, memoryLimitBytes: 1e9, rates: [{ backend: 'x', operationsPerSecond: 1 }] }
      const { plan } = await planRun(model, requestOf([probed('a')]), machine)
      const grams = plan.memoryParts.find(({ what }) => what.startsWith('X^T X'))?.bytes ?? 0
      return { states: plan.storageBytes, grams, operations: plan.seconds[0]?.seconds ?? 0, tokens: plan.calibrationTokens }
    }
    const none = await planOf('none', false)
    const float = await planOf('float', false)
    const together = await planOf('own', false)
    const sequential = await planOf('own', true)
    expect(none.tokens).toBe(72)
    expect(float).toEqual(none)
    // Two generations of f32 states of 32 values a token.
    expect(together.states - none.states).toBe(2 * 4 * 32 * 72)
    expect(sequential.states).toBe(together.states)
    expect(together.grams - none.grams).toBe(4 * (3 * 32 ** 2 + 64 ** 2))
    expect(sequential.grams - none.grams).toBe(4 * 64 ** 2)
    const block = 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 64
    expect(together.operations - none.operations).toBe(3 * block * 72 * 2)
    expect(sequential.operations - none.operations).toBe(3 * block * 72 * 5)
  })

  it('is refused without a text', async () => {
    const model = await openTiny()
    const error = await faultOf(() => runTiny({ model, request: tinyRequest(['Q4_0+imatrix']), store: new MemoryFileStore() }))
    expect(error).toMatchObject({ code: 'recipe-invalid', title: 'No text to calibrate on' })
    expect(error.remedy).toContain('Choose a calibration text')
  })
})
