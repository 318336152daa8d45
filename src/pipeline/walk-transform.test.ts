import { describe, expect, it, vi } from 'vitest'
import { exportTargets } from '../export/registry.ts'
import { tfliteBytes } from '../export/tflite/constants.ts'
import { decoderGraph } from '../export/tflite/decoder.ts'
import { writeExport } from '../export/write-export.ts'
import { readGguf } from '../formats/gguf/read.ts'
import { readSafetensorsHeader } from '../formats/safetensors/header.ts'
import { layoutTflite } from '../formats/tflite/layout.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { isRequantized } from '../kernels/contract/activations.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { transforms } from '../quantization/registry.ts'
import { changedFloats, resolveTensors } from '../quantization/resolve.ts'
import { faultOf } from '../testing/fault-of.ts'
import { runTflite } from '../testing/tflite-interpreter.ts'
import { openTiny, runTiny, stopAfterFirstBlock, tinyRequest, wasmEngine } from '../testing/tiny-run.ts'
import { planRun } from './execute-run.ts'
import { generateAll, openModel } from './generate-run.ts'
import type { RunRequest } from './plan.ts'
import { exportSource, type RunResult, requireResult } from './run-result.ts'
import { readStored } from './stored-tensor.ts'

vi.setConfig({ testTimeout: 60_000 })

const calibration = {
  text: 'zyxwvutsrqponmlkjihgfedcbaacegikmoqsuwybdfhjlnprtvxz'.repeat(6),
  textName: 'backwards',
  maxTokens: 72,
  contextLength: 12,
  usesChatTemplate: false,
}
const requestOf = (recipes: readonly string[]): RunRequest => ({ ...tinyRequest(recipes), calibration })
const machine = (store: MemoryFileStore) => ({ store, threads: 1, memoryLimitBytes: 1e9, rates: [] })

async function finished(recipes: readonly string[]) {
  const model = await openTiny()
  const store = new MemoryFileStore()
  const report = await runTiny({ model, request: requestOf(recipes), store })
  return { model, store, report, result: await requireResult(store, report.planHash) }
}

function checksums({ tensors }: RunResult): string[][] {
  return Object.values(tensors).map((list) => list.flatMap(({ tiles }) => tiles.map(({ checksum }) => checksum)))
}

describe('a transform in a run', () => {
  it('needs a text to calibrate on', async () => {
    const request = tinyRequest(['awq-4bit-g16'])
    const model = await openTiny()
    const fault = await faultOf(() => runTiny({ model, request, store: new MemoryFileStore() }))
    expect(fault.message).toBe('awq-4bit-g16: AWQ scales: this learns from the inputs that a text gives every layer.')
  })

  it('keeps what it changed beside the codes, as planned, and loses less', async () => {
    const { model, store, report, result } = await finished(['nearest-3bit-g16', 'awq-3bit-g16'])
    const [block] = model.checkpoint.graph.blocks
    if (block === undefined) throw new RangeError('no block')
    const recipe = report.recipes[1]?.recipe
    if (recipe === undefined) throw new RangeError('no recipe')
    const resolved = resolveTensors(model.checkpoint.graph, recipe)
    expect(changedFloats(block, recipe, resolved).map(({ name }) => name)).toEqual([
      'model.layers.0.input_layernorm.weight',
      'model.layers.0.post_attention_layernorm.weight',
    ])
    const stored = result.tensors['awq-3bit-g16']?.find(({ name }) => name === 'model.layers.0.input_layernorm.weight')
    if (stored === undefined) throw new RangeError('the norm was not stored')
    const norm = await readStored(store, stored)
    const before = await model.checkpoint.readFloat(stored.name)
    if (norm.encoding !== 'float') throw new TypeError(norm.encoding)
    expect(norm.values).not.toEqual(before)

    const [plain, scaled] = report.recipes.map(({ layers }) => layers.reduce((sum, layer) => sum + (layer.outputError ?? Number.NaN), 0))
    expect(scaled).toBeLessThan(plain ?? 0)
    const plans = await Promise.all(
      ['nearest-3bit-g16', 'awq-3bit-g16'].map((id) => planRun(model, requestOf([id]), machine(new MemoryFileStore()))),
    )
    const [without, with_] = plans.map(({ plan }) => plan)
    // Two norms of 32 floats in three blocks.
    expect((with_?.storageBytes ?? 0) - (without?.storageBytes ?? 0)).toBe(3 * 2 * 32 * 4)
    expect(with_?.memoryParts.map(({ what }) => what)).toContain('a transformed block and its search')
  })

  it('gives the same bytes after a stop, and with error feedback behind it', async () => {
    const recipes = ['awq-4bit-g16', 'awq+gptq-4bit-g16', 'smoothquant-w8a8-static', 'smoothquant-w8a8-integer', 'Q4_0+awq']
    const whole = await finished(recipes)
    const store = new MemoryFileStore()
    expect(await stopAfterFirstBlock({ model: whole.model, request: requestOf(recipes), store })).toMatchObject({ code: 'aborted' })
    const report = await runTiny({ model: whole.model, request: requestOf(recipes), store })
    const resumed = await requireResult(store, report.planHash)
    expect(checksums(resumed)).toEqual(checksums(whole.result))
    expect(resumed.inputModes).toEqual(whole.result.inputModes)
    expect(report.recipes.map(({ perplexity }) => perplexity)).toEqual(whole.report.recipes.map(({ perplexity }) => perplexity))
    const [first, second] = checksums(resumed)
    expect(first).not.toEqual(second)
  })

  it('tells a transform where a rounding that makes up for errors comes after it', async () => {
    const apply = vi.spyOn(transforms.get('awq'), 'apply')
    await finished(['awq-4bit-g16', 'awq+gptq-4bit-g16', 'awq+learned-50steps-4bit-g16'])
    const told = apply.mock.calls.map(([, , { grids }]) => [...new Set([...grids.values()].map(({ isFinal }) => isFinal))])
    apply.mockRestore()
    expect(told).toEqual(Array.from({ length: 3 }, () => [[true], [false], [false]]).flat())
  })

  it('rounds inputs with the scales that calibration gave, in the figures and in texts', async () => {
    const { model, store, report, result } = await finished(['smoothquant-a16-8bit-channel-sym', 'smoothquant-w8a8-static'])
    const modes = result.inputModes['smoothquant-w8a8-static']
    expect(modes).toHaveLength(3)
    for (const block of modes ?? []) {
      expect(Object.keys(block)).toEqual(['q', 'k', 'v', 'o', 'gate', 'up', 'down'])
      expect(block['q']).toEqual(block['k'])
      expect(Object.values(block).every((mode) => mode.kind === 'int8-tensor' && mode.scale > 0)).toBe(true)
    }
    expect(result.inputModes['smoothquant-a16-8bit-channel-sym']).toEqual([{}, {}, {}])
    const [float, rounded] = report.recipes
    expect(rounded?.perplexity).not.toEqual(float?.perplexity)
    const engine = await wasmEngine()
    const runner = await engine.openModel(model.checkpoint.graph)
    const loads: unknown[] = []
    const noting = {
      ...runner,
      loadHeadTile: runner.loadHeadTile.bind(runner),
      loadHalf: runner.loadHalf.bind(runner),
      close: () => runner.close(),
    }
    const watched = {
      ...noting,
      loadBlock: (weights: Parameters<typeof runner.loadBlock>[0], used: Parameters<typeof runner.loadBlock>[1]) => {
        loads.push(used)
        return runner.loadBlock(weights, used)
      },
    }
    const tools = { ...model, store, kernels: createReferenceKernels(), runner: watched, residentBytes: 1e9, now: () => 0 }
    const request = {
      prompt: 'abc',
      maxTokens: 2,
      temperature: 0,
      seed: 1,
      recipeIds: ['smoothquant-w8a8-static'],
      planHash: report.planHash,
    }
    await generateAll(tools, { request, result }, () => undefined, new AbortController().signal)
    expect(loads.slice(3)).toEqual(modes)
    await runner.close()
    await engine.close()
  })

  it('rounds outputs as integer kernels do, in the figures, in texts and in the file for them', async () => {
    const [fixed, integer] = ['smoothquant-w8a8-static', 'smoothquant-w8a8-integer']
    const { model, store, report, result } = await finished([fixed, integer])
    const perplexities = report.recipes.map(({ perplexity }) => perplexity)
    expect(perplexities[1]).not.toEqual(perplexities[0])
    for (const [index, block] of (result.inputModes[integer] ?? []).entries()) {
      for (const [role, mode] of Object.entries(block)) {
        const before = result.inputModes[fixed]?.[index]?.[role]
        expect(mode).toEqual({ ...before, outputScale: expect.any(Number) as number })
        expect(isRequantized(mode) && mode.outputScale > 0).toBe(true)
      }
    }
    const kernels = createReferenceKernels()
    const engine = await wasmEngine()
    const runner = await engine.openModel(model.checkpoint.graph)
    const tools = { ...model, store, kernels, runner, residentBytes: 1e9, now: () => 0 }
    const signal = new AbortController().signal
    const source = exportSource(store, model.checkpoint, result, integer)
    const graph = decoderGraph(source)
    const layout = layoutTflite(graph)
    const pieces: Uint8Array<ArrayBuffer>[] = []
    for await (const piece of tfliteBytes(layout, graph.sources, source)) pieces.push(piece.slice())
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
    const constants = layout.constants.map(({ start, sizeBytes }) => bytes.slice(start, start + sizeBytes))
    const [tokens = 0] = graph.tensors[graph.inputs[0] ?? 0]?.shape ?? []
    const ids = Array.from({ length: tokens }, (_, index) => (index * 7 + 3) % 26)
    const made = runTflite(graph, constants, ids)
    const simulated = openModel(tools, { result, recipeId: integer, inputs: 'float' }, signal)
    const logits: number[] = []
    for (const id of ids) logits.push(...(await simulated.next([id])))
    await simulated.release()
    const differences = logits.map((logit, at) => Math.abs(logit - (made[at] ?? Number.NaN)))
    expect(differences).toHaveLength(made.length)
    expect(Math.max(...differences)).toBeLessThan(1e-4)
    await runner.close()
    await engine.close()
  })

  it('is exported: norms from the run, in GGUF and in the GPTQ layout', async () => {
    const ids = ['Q4_0+awq', 'awq-4bit-g16', 'float-v']
    const overridden = JSON.stringify({
      id: 'float-v',
      transform: { kind: 'awq' },
      grid: { kind: 'affine', bits: 4, group: 16 },
      overrides: [{ match: '*v_proj.weight', grid: 'float' }],
    })
    const { model, store, result } = await finished([...ids.slice(0, 2), overridden])
    const kernels = createReferenceKernels()
    for (const [id, targetId] of [
      ['Q4_0+awq', 'gguf'],
      ['awq-4bit-g16', 'gptq'],
      ['float-v', 'gptq'],
    ] as const) {
      const source = exportSource(store, model.checkpoint, result, id)
      const target = exportTargets.find((one) => one.id === targetId)
      if (target === undefined) throw new RangeError(targetId)
      expect(target.supports(source)).toBe(true)
      const files = new MemoryFileStore()
      const openWritten = async (path: string) => {
        const file = await files.open(path)
        if (file === null) throw new RangeError(path)
        return file
      }
      const place = { createSink: (path: string) => files.create(path), openWritten, removeWritten: (path: string) => files.delete(path) }
      // Reads every tensor back and compares it with what the run stored.
      const written = await writeExport({ target, source, kernels, ...place }, () => undefined)
      const weights = written.files.find(({ path }) => path.endsWith('.gguf') || path === 'model.safetensors')
      if (weights === undefined) throw new RangeError('no weights')
      const file = await openWritten(weights.path)
      let changed = 0
      for (const block of [0, 1, 2]) {
        const name = `model.layers.${block}.input_layernorm.weight`
        const norm = await source.readFloat(name, { rowStart: 0, rowEnd: 1 })
        expect(await floatsIn(file, targetId, block)).toEqual(norm)
        const before = await model.checkpoint.readFloat(name)
        if (norm.some((value, i) => value !== before[i])) changed++
      }
      expect(changed).toBeGreaterThan(0)
    }
    const v = 'model.layers.1.self_attn.v_proj.weight'
    const source = exportSource(store, model.checkpoint, result, 'float-v')
    expect(source.encodings.get(v)).toEqual({ encoding: 'float' })
    const rows = { rowStart: 2, rowEnd: 4 }
    const changed = await Promise.all(
      [0, 1, 2].map(async (block) => {
        const name = v.replace('1', String(block))
        const before = await model.checkpoint.readFloat(name, rows)
        return (await source.readFloat(name, rows)).some((value, at) => value !== before[at])
      }),
    )
    expect(changed).toContain(true)
    expect(await source.readFloat('model.norm.weight', { rowStart: 0, rowEnd: 1 })).toEqual(
      await model.checkpoint.readFloat('model.norm.weight'),
    )
    const refused = await faultOf(() => source.readFloat('model.layers.1.self_attn.q_proj.weight', rows))
    expect(refused.code).toBe('storage-fault')
  })
})

/** F32 values of the first norm of a block in a file. */
async function floatsIn(file: NonNullable<Awaited<ReturnType<MemoryFileStore['open']>>>, target: string, block: number) {
  if (target === 'gguf') {
    const info = (await readGguf(file)).tensors.find((tensor) => tensor.name === `blk.${block}.attn_norm.weight`)
    if (info === undefined) throw new RangeError(target)
    return new Float32Array((await file.read(info.offset, info.offset + 4 * 32)).slice().buffer)
  }
  const found = (await readSafetensorsHeader(file)).tensors.get(`model.layers.${block}.input_layernorm.weight`)
  if (found === undefined) throw new RangeError(target)
  return new Float32Array((await file.read(found.start, found.end)).slice().buffer)
}
