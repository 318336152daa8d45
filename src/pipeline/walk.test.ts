import { describe, expect, it, vi } from 'vitest'
import { StudioError } from '../core/errors.ts'
import { writeExport } from '../export/write-export.ts'
import { type GgufFile, readGguf } from '../formats/gguf/read.ts'
import type { FileStore } from '../io/file-store.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { routeKernels } from '../kernels/route.ts'
import { createTokenizer } from '../runtime/engines/tokenizer.ts'
import { acceleratorDouble } from '../testing/accelerator-double.ts'
import { wholeOf } from '../testing/export-source.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTiny, tinyRequest, tinyText, wasmEngine } from '../testing/tiny-run.ts'
import type { EngineFactory } from './engine-supply.ts'
import { EngineSupply } from './engine-supply.ts'
import type { RunEvent } from './events.ts'
import type { OpenModel } from './execute-run.ts'
import { exportTarget } from './export-run.ts'
import { generateAll } from './generate-run.ts'
import { runFolder } from './journal.ts'
import type { RunReport } from './report.ts'
import { exportSource, requireResult } from './run-result.ts'
import { findUnfinished } from './unfinished.ts'

// Several ONNX Runtime sessions a test: more than the default of 5 s on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

/** What a report says about the model, without when and how long. */
function figures(report: RunReport): unknown {
  return { ...report, createdAt: '', seconds: 0, recipes: report.recipes.map((recipe) => ({ ...recipe, seconds: 0 })) }
}

async function storedTensors(store: FileStore, planHash: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const { path } of await store.list(`${runFolder(planHash)}/tensors`)) {
    const source = await store.open(path)
    found[path] = Buffer.from((await source?.read(0, source.sizeBytes)) ?? []).toString('base64')
  }
  return found
}

async function stopAfter(blocks: number, scope: Parameters<typeof runTiny>[0]): Promise<StudioError> {
  const stop = new AbortController()
  const onEvent = (event: RunEvent): void => {
    if (event.kind === 'block-stored' && event.block + 1 === blocks) stop.abort()
  }
  return faultOf(() => runTiny(scope, onEvent, stop.signal))
}

const wholeModel = JSON.stringify({ id: 'all', grid: { kind: 'ggml', type: 'Q8_0' }, embedding: 'grid', head: 'grid' })
const recipes = ['nearest-4bit-g16', 'Q4_0', wholeModel]

describe('the walk', () => {
  it('gives the same bytes and figures whether it is stopped and resumed or not, in memory or spilled', async () => {
    const model = await openTiny()
    const request = tinyRequest(recipes)
    const straight = new MemoryFileStore()
    const report = await runTiny({ model, request, store: straight })

    const stopped = new MemoryFileStore()
    expect((await stopAfter(2, { model, request, store: stopped })).code).toBe('aborted')
    expect(await findUnfinished(stopped, model.checkpoint.origin.fingerprint)).toMatchObject({ planHash: report.planHash, blocksDone: 2 })
    const events: RunEvent[] = []
    // So little memory that every hidden state is read back from storage.
    const resumed = await runTiny({ model, request, store: stopped, memoryLimitBytes: 1 }, (event) => events.push(event))

    expect(events[0]).toEqual({ kind: 'started', planHash: report.planHash, blocks: 3, resumedBlocks: 2 })
    expect(events.filter(({ kind }) => kind === 'block-stored')).toHaveLength(3)
    expect(figures(resumed)).toEqual(figures(report))
    expect(await storedTensors(stopped, report.planHash)).toEqual(await storedTensors(straight, report.planHash))
    expect(await findUnfinished(stopped, model.checkpoint.origin.fingerprint)).toBeNull()
  })

  it('measures every layer, embedding and separate head included', async () => {
    const model = await openTiny({ config: { tie_word_embeddings: false } })
    const report = await runTiny({ model, request: tinyRequest(recipes), store: new MemoryFileStore() })
    const [plain, , all] = report.recipes
    expect(plain?.layers).toHaveLength(21)
    expect(all?.layers.map(({ role }) => role).filter((role) => role === 'embedding' || role === 'head')).toEqual(['embedding', 'head'])
    for (const { layers } of report.recipes) {
      for (const layer of layers) {
        expect(layer.mse).toBeGreaterThan(0)
        expect(layer.outputError).toBeGreaterThan(0)
        expect(layer.outputError).toBeLessThan(0.1)
        expect(layer.cosine).toBeGreaterThan(0.95)
      }
    }
    expect(all?.perplexity).not.toBe(report.evaluation.float.perplexity)
  })

  it('finds nothing to lose in F16 of F16 weights', async () => {
    const model = await openTiny({ dtype: 'F16' })
    const report = await runTiny({ model, request: tinyRequest(['F16']), store: new MemoryFileStore() })
    expect(report.recipes[0]?.klDivergence.max).toBe(0)
    expect(report.recipes[0]?.sameTopToken).toBe(1)
    expect(report.recipes[0]?.perplexity).toBe(report.evaluation.float.perplexity)
  })

  it('scores the second half of each window under the protocol of llama.cpp', async () => {
    const model = await openTiny()
    const request = tinyRequest(['F16'], { protocol: 'llama.cpp' })
    const report = await runTiny({ model, request, store: new MemoryFileStore() })
    expect(report.evaluation.tokens).toBe(Math.floor(700 / 16) * 7)
  })

  it('takes G from the calibration text when there is one', async () => {
    const model = await openTiny()
    const plain = tinyRequest(['nearest-4bit-g16'])
    const calibrated = {
      ...plain,
      calibration: {
        text: 'zyxwvutsrqponmlkjihgfedcba'.repeat(4),
        textName: 'backwards',
        maxTokens: 48,
        contextLength: 16,
        usesChatTemplate: false,
      },
    }
    const [a, b] = await Promise.all([plain, calibrated].map((request) => runTiny({ model, request, store: new MemoryFileStore() })))
    expect(b?.recipes[0]?.perplexity).toBe(a?.recipes[0]?.perplexity)
    expect(b?.recipes[0]?.layers[0]?.mse).toBe(a?.recipes[0]?.layers[0]?.mse)
    expect(b?.recipes[0]?.layers[0]?.outputError).not.toBe(a?.recipes[0]?.layers[0]?.outputError)
  })

  it('tells a finished run again without running it', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'])
    const store = new MemoryFileStore()
    const report = await runTiny({ model, request, store })
    const never: EngineFactory = () => Promise.reject(new Error('no engine is needed'))
    const events: RunEvent[] = []
    expect(await runTiny({ model, request, store, engines: [never] }, (event) => events.push(event))).toEqual(report)
    expect(events.map(({ kind }) => kind)).toContain('layers')
  })

  it('starts anew, and says so, when what was stored is damaged', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'])
    for (const part of ['journal.json', 'hidden', 'blocks']) {
      const store = new MemoryFileStore()
      await stopAfter(2, { model, request, store })
      const file = (await store.list('runs')).find(({ path }) => path.includes(part))
      const source = await store.open(file?.path ?? '')
      const bytes = (await source?.read(0, source.sizeBytes)) ?? new Uint8Array(0)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      const sink = await store.create(file?.path ?? '')
      await sink.write(bytes)
      await sink.close()
      const events: RunEvent[] = []
      await runTiny({ model, request, store }, (event) => events.push(event))
      expect(events[0]).toMatchObject({ kind: 'notice', severity: 'warning' })
      expect(events[1]).toMatchObject({ kind: 'started', resumedBlocks: 0 })
    }
  })

  it('keeps finished blocks when storage runs out, and names the block', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'])
    const whole = new MemoryFileStore()
    await stopAfter(1, { model, request, store: whole })
    const { usedBytes } = await whole.estimate()
    const states = (await whole.list('runs')).filter(({ path }) => path.includes('/hidden/')).reduce((sum, file) => sum + file.sizeBytes, 0)
    // Room for one block and the hidden states before and after it, not for the tensors of a second block. The plan is told
    // of more, as browsers estimate more than they give.
    const small = new MemoryFileStore({ limitBytes: usedBytes + states + 3000 })
    const store = Object.assign(Object.create(small) as MemoryFileStore, { estimate: async () => ({ usedBytes: 0, freeBytes: 1e12 }) })
    for (const name of ['create', 'open', 'list', 'delete'] as const) Object.assign(store, { [name]: small[name].bind(small) })
    const error = await faultOf(() => runTiny({ model, request, store }))
    expect(error.code).toBe('storage-full')
    expect(error.message).toContain('1 of 3 blocks are safe')
    expect(await findUnfinished(small, model.checkpoint.origin.fingerprint)).toMatchObject({ blocksDone: 1 })
  })

  it('names tensor and place of a weight that is not a number', async () => {
    const model = await openTiny()
    const name = 'model.layers.1.mlp.up_proj.weight'
    const broken: OpenModel = {
      ...model,
      checkpoint: new Proxy(model.checkpoint, {
        get(target, key) {
          if (key !== 'readFloat') {
            const value: unknown = Reflect.get(target, key)
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          }
          return async (...args: Parameters<typeof target.readFloat>) => {
            const data = await target.readFloat(...args)
            if (args[0] === name) data[37] = Number.NaN
            return data
          }
        },
      }),
    }
    const error = await faultOf(() => runTiny({ model: broken, request: tinyRequest(['Q4_0']), store: new MemoryFileStore() }))
    expect(error.code).toBe('weights-not-finite')
    expect(error.message).toBe(`${name} holds NaN in row 1, column 5.`)
  })

  it('repeats a block on the next engine when the first goes away, and says which part ran where', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'])
    const straight = await runTiny({ model, request, store: new MemoryFileStore() })
    const fragile: EngineFactory = async () => {
      const engine = await wasmEngine()
      return {
        ...engine,
        backend: 'webgpu (test)',
        openModel: async (graph) => {
          const runner = await engine.openModel(graph)
          let loads = 0
          return {
            loadHeadTile: (norm, rows) => runner.loadHeadTile(norm, rows),
            loadHalf: (half, weights) => runner.loadHalf(half, weights),
            close: () => runner.close(),
            loadBlock: (weights) => {
              // Two loads a block: the second block's recipe is where the device is lost.
              if (++loads === 4) throw new StudioError('device-lost', { title: 'Lost', message: 'The device is gone.', remedy: 'None.' })
              return runner.loadBlock(weights)
            },
          }
        },
      }
    }
    const events: RunEvent[] = []
    const report = await runTiny({ model, request, store: new MemoryFileStore(), engines: [fragile, wasmEngine] }, (event) =>
      events.push(event),
    )
    expect(report.recipes[0]?.backend).toBe('kernels reference, forward webgpu (test) (blocks 0 to 0) and wasm x1 (blocks 1 to 2, head)')
    expect(report.recipes[0]?.perplexity).toBe(straight.recipes[0]?.perplexity)
    const notices = events.flatMap((event) => (event.kind === 'notice' ? [event.text] : []))
    expect(notices).toEqual(['webgpu (test) went away. Block 2 is repeated on wasm x1. The result will say which part ran where.'])
  })

  it('goes on without the graphics card when it is lost, and says which kernels ran where', async () => {
    const model = await openTiny()
    const request = tinyRequest(['Q4_0'])
    const straight = await runTiny({ model, request, store: new MemoryFileStore() })
    const card = acceleratorDouble()
    const good = { support: true, leastWork: 0 } as const
    const checked = new Map(['accumulateGram', 'traceThroughGram'].map((name) => [name, good]))
    const kernels = routeKernels(createReferenceKernels(), card.accelerator, checked)
    const report = await runTiny({ model, request, store: new MemoryFileStore(), kernels }, (event) => {
      if (event.kind === 'block-stored' && event.block === 0) card.lose('driver reset')
    })
    const there = 'reference + webgpu (test) (accumulateGram, traceThroughGram)'
    expect(report.recipes[0]?.backend).toBe(`kernels ${there} (blocks 0 to 0) and reference (blocks 1 to 2, head), forward wasm x1`)
    expect(report.recipes[0]?.layers).toEqual(straight.recipes[0]?.layers)
  })

  it.each([
    ['an empty text', { text: '' }, 'text-too-short'],
    ['windows longer than the model reads', { contextLength: 65 }, 'usage'],
  ] as const)('refuses %s before it reads a weight', async (_, change, code) => {
    const model = await openTiny()
    const error = await faultOf(() => runTiny({ model, request: tinyRequest(['Q4_0'], change), store: new MemoryFileStore() }))
    expect(error.code).toBe(code)
  })

  it('refuses a run without recipes', async () => {
    const model = await openTiny()
    const error = await faultOf(() => runTiny({ model, request: tinyRequest([]), store: new MemoryFileStore() }))
    expect(error.message).toContain('no recipe')
  })
})

describe('what a finished run is good for', () => {
  it('exports every format it planned, at exactly the planned size', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const report = await runTiny({ model, request: tinyRequest(['nearest-4bit-g32', 'Q4_0']), store })
    const result = await requireResult(store, report.planHash)
    const kernels = createReferenceKernels()
    for (const { id, bytesOf, bytes } of report.recipes) {
      const out = new MemoryFileStore()
      const place = {
        createSink: (path: string) => out.create(path),
        openWritten: async (path: string) => (await out.open(path)) ?? Promise.reject(new Error(path)),
        removeWritten: (path: string) => out.delete(path),
      }
      const job = { target: exportTarget(bytesOf), source: exportSource(store, model.checkpoint, result, id), kernels, ...place }
      const written = await writeExport(job, () => undefined)
      expect(written.files.reduce((sum, file) => sum + file.bytes, 0)).toBe(bytes)
    }
  })

  it('records in a GGUF what an importance matrix was measured on', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const calibration = { text: tinyText, textName: 'letters', maxTokens: 48, contextLength: 16, usesChatTemplate: false }
    const report = await runTiny({ model, request: { ...tinyRequest(['Q4_0', 'Q4_0+imatrix']), calibration }, store })
    const result = await requireResult(store, report.planHash)
    const files = new Map<string, GgufFile>()
    for (const { id, bytes } of report.recipes) {
      const out = new MemoryFileStore()
      const place = {
        createSink: (path: string) => out.create(path),
        openWritten: async (path: string) => (await out.open(path)) ?? Promise.reject(new Error(path)),
        removeWritten: (path: string) => out.delete(path),
      }
      const source = exportSource(store, model.checkpoint, result, id)
      const written = await writeExport(
        { target: exportTarget('gguf'), source, kernels: createReferenceKernels(), ...place },
        () => undefined,
      )
      const [file] = written.files
      expect(file?.bytes).toBe(bytes)
      const bytesOfFile = await out.open(file?.path ?? '')
      if (bytesOfFile !== null) files.set(id, await readGguf(bytesOfFile))
    }
    const recorded = (id: string): unknown[] =>
      (files.get(id)?.metadata ?? [])
        .filter(({ key }) => key.startsWith('quantize.'))
        .map(({ key, value }) => [key, value.type, value.value])
    expect(recorded('Q4_0')).toEqual([])
    expect(recorded('Q4_0+imatrix')).toEqual([
      ['quantize.imatrix.file', 'string', 'measured while quantizing'],
      ['quantize.imatrix.dataset', 'string', 'letters'],
      ['quantize.imatrix.entries_count', 'u32', 21],
      ['quantize.imatrix.chunks_count', 'u32', 3],
    ])
  })

  it('says so when its tensors are gone or changed', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const report = await runTiny({ model, request: tinyRequest(['Q4_0']), store })
    const result = await requireResult(store, report.planHash)
    const source = exportSource(store, model.checkpoint, result, 'Q4_0')
    const [path] = (await store.list(`${runFolder(report.planHash)}/tensors`)).map((file) => file.path)
    const sink = await store.create(path ?? '')
    await sink.write(new Uint8Array((await store.open(path ?? ''))?.sizeBytes ?? 0))
    await sink.close()
    expect((await faultOf(() => wholeOf(source, 'model.layers.0.self_attn.q_proj.weight'))).code).toBe('storage-fault')
    await store.delete('runs')
    expect((await faultOf(() => requireResult(store, report.planHash))).code).toBe('storage-fault')
  })

  it('continues a prompt the same whether blocks stay loaded or are read for every token', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const report = await runTiny({ model, request: tinyRequest([wholeModel, 'nearest-2bit-g16']), store })
    const result = await requireResult(store, report.planHash)
    const prompt = {
      prompt: 'abc',
      maxTokens: 12,
      temperature: 0,
      seed: 3,
      planHash: report.planHash,
      recipeIds: ['all', 'nearest-2bit-g16'],
    }
    const signal = new AbortController().signal
    const texts: unknown[] = []
    for (const residentBytes of [1e9, 0]) {
      const engines = new EngineSupply([wasmEngine], model.checkpoint.graph)
      const { runner } = await engines.get(signal)
      const tokenizer = createTokenizer(model.checkpoint.tokenizerFiles)
      const tools = {
        checkpoint: model.checkpoint,
        tokenizer,
        store,
        kernels: createReferenceKernels(),
        runner,
        residentBytes,
        now: () => 0,
      }
      const made = await generateAll(tools, { request: prompt, result }, () => undefined, signal)
      expect(made.map(({ recipeId }) => recipeId)).toEqual([null, 'all', 'nearest-2bit-g16'])
      expect(made[0]?.firstDifference).toBeNull()
      texts.push(made)
      await engines.close()
    }
    expect(texts[1]).toEqual(texts[0])
  })
})
