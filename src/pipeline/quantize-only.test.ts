import { createHash } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { writeExport } from '../export/write-export.ts'
import type { FileStore } from '../io/file-store.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { storageFull } from '../io/store-path.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { encodings } from '../quantization/registry.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTiny, runTinyRequest, tinyRequest, tinyText } from '../testing/tiny-run.ts'
import type { EngineFactory } from './engine-supply.ts'
import type { RunEvent } from './events.ts'
import { planRun } from './execute-run.ts'
import { exportRun, exportTarget } from './export-run.ts'
import { imatrixFile } from './measured-importance.ts'
import type { RunRequest } from './plan.ts'
import { exportSource, requireResult } from './run-result.ts'
import { readTiles } from './stored-tensor.ts'
import { TileBuffers } from './tile-buffers.ts'

vi.setConfig({ testTimeout: 60_000 })

const wholeModel = JSON.stringify({ id: 'all', grid: { kind: 'ggml', type: 'Q8_0' }, embedding: 'grid', head: 'grid' })
const byTensor = 'nearest-4bit-tensor'
const request: RunRequest = { ...tinyRequest(['nearest-4bit-g16', 'Q4_0', wholeModel, byTensor]), evaluation: null }

/** An engine would be a fault: nothing goes through the model. */
const noEngine: EngineFactory = () => Promise.reject(new RangeError('an engine was asked for'))

/** SHA-256 of what a run stored of every matrix, wherever it lies, by recipe and name. */
async function storedMatrices(store: FileStore, planHash: string): Promise<ReadonlyMap<string, string>> {
  const { tensors } = await requireResult(store, planHash)
  const found = new Map<string, string>()
  for (const [recipeId, stored] of Object.entries(tensors)) {
    for (const tensor of stored) {
      const hash = createHash('sha256')
      for await (const { tile } of readTiles(store, tensor)) for (const part of encodings.get(tile.encoding).parts(tile)) hash.update(part)
      found.set(`${recipeId} ${tensor.name}`, hash.digest('hex'))
    }
  }
  return found
}

describe('a run that only quantizes', () => {
  it.each(['F32', 'F16', 'BF16'] as const)('stores the bytes of a run that measures, from %s', async (dtype) => {
    const model = await openTiny({ dtype })
    const measuring = new MemoryFileStore()
    const quantizing = new MemoryFileStore()
    const measured = await runTiny({
      model,
      request: tinyRequest(request.recipes.map((recipe) => JSON.stringify(recipe))),
      store: measuring,
    })
    const report = await runTinyRequest({ model, request, store: quantizing, engines: [noEngine] })

    const matrices = await storedMatrices(quantizing, report.planHash)
    expect(matrices.size).toBeGreaterThan(0)
    expect(matrices).toEqual(await storedMatrices(measuring, measured.planHash))
    expect(report.evaluation).toBeNull()
    for (const [index, recipe] of report.recipes.entries()) {
      const beside = measured.recipes[index]
      expect(recipe).not.toHaveProperty('perplexity')
      expect(recipe.backend).toBe('kernels reference')
      expect(recipe.layers.map(({ name }) => name)).toEqual(beside?.layers.map(({ name }) => name))
      for (const [i, layer] of recipe.layers.entries()) {
        expect(layer.outputError).toBeNull()
        expect(layer.sqnrDb).toBeCloseTo(beside?.layers[i]?.sqnrDb ?? 0, 9)
        expect(layer.mse).toBeCloseTo(beside?.layers[i]?.mse ?? 0, 12)
      }
    }
  })

  it('goes on after the last stored block, to the same bytes and report', async () => {
    const model = await openTiny()
    const straight = new MemoryFileStore()
    const whole = await runTinyRequest({ model, request, store: straight, engines: [noEngine] })

    const stopped = new MemoryFileStore()
    const stop = new AbortController()
    const onEvent = (event: RunEvent): void => {
      if (event.kind === 'block-stored' && event.block === 1) stop.abort()
    }
    const fault = await faultOf(() => runTinyRequest({ model, request, store: stopped, engines: [noEngine] }, onEvent, stop.signal))
    expect(fault.code).toBe('aborted')
    const events: RunEvent[] = []
    const resumed = await runTinyRequest({ model, request, store: stopped, engines: [noEngine] }, (event) => events.push(event))
    expect(events[0]).toMatchObject({ kind: 'started', resumedBlocks: 2 })
    expect(await storedMatrices(stopped, resumed.planHash)).toEqual(await storedMatrices(straight, whole.planHash))
    const layers = (report: typeof whole) => report.recipes.map((recipe) => recipe.layers)
    expect(layers(resumed)).toEqual(layers(whole))
  })

  it('reads the next block while the files of the one before are closed', async () => {
    const model = await openTiny()
    const { checkpoint } = model
    let isNextRead = (): void => undefined
    const nextRead = new Promise<void>((resolve) => {
      isNextRead = resolve
    })
    const read = checkpoint.readRawInto.bind(checkpoint)
    const reads = vi.spyOn(checkpoint, 'readRawInto').mockImplementation(async (into, name, ...rest) => {
      if (name.startsWith('model.layers.1.mlp.')) isNextRead()
      await read(into, name, ...rest)
    })
    const store = new MemoryFileStore()
    const create = store.create.bind(store)
    vi.spyOn(store, 'create').mockImplementation(async (path) => {
      const sink = await create(path)
      return path.endsWith('tensors/0-0.bin') ? { ...sink, close: () => nextRead.then(() => sink.close()) } : sink
    })
    const q4 = { ...tinyRequest(['Q4_0']), evaluation: null }
    await runTinyRequest({ model, request: q4, store, engines: [noEngine] })
    expect(reads).toHaveBeenCalled()
  })

  it('that cannot close the files of a block leaves none of it, and goes on from there later', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const create = store.create.bind(store)
    const full = vi.spyOn(store, 'create').mockImplementation(async (path) => {
      const sink = await create(path)
      const close = (): Promise<never> => Promise.reject(storageFull(path))
      return path.endsWith('tensors/0-1.bin') ? { ...sink, close } : sink
    })
    const q4 = { ...tinyRequest(['Q4_0']), evaluation: null }
    const fault = await faultOf(() => runTinyRequest({ model, request: q4, store, engines: [noEngine] }))
    expect(fault).toMatchObject({ code: 'storage-full' })
    const paths = (await store.list('')).map(({ path }) => path.slice(path.indexOf('tensors/')))
    expect(paths).toContain('tensors/0-0.bin')
    expect(paths).not.toContain('tensors/0-1.bin')

    full.mockRestore()
    const events: RunEvent[] = []
    await runTinyRequest({ model, request: q4, store, engines: [noEngine] }, (event) => events.push(event))
    expect(events[0]).toMatchObject({ kind: 'started', resumedBlocks: 1 })
  })

  it('stores matrices where GGUF has them; others, and those of formats that turn them, in a file of their block', async () => {
    const store = new MemoryFileStore()
    const { planHash } = await runTinyRequest({ model: await openTiny(), request, store, engines: [noEngine] })
    const { tensors } = await requireResult(store, planHash)
    const filesOf = (recipeId: string, part: string) =>
      new Set(
        tensors[recipeId]
          ?.filter(({ name }) => name.includes(part))
          .map(({ path }) => path.slice(path.lastIndexOf('/') + 1, -'.bin'.length)),
      )
    expect(filesOf('Q4_0', 'down_proj')).toEqual(new Set(['1-model']))
    // Llama's rows of queries and keys have another order in GGUF.
    expect(filesOf('Q4_0', 'q_proj')).toEqual(new Set(['1-0', '1-1', '1-2']))
    expect(filesOf('nearest-4bit-g16', '')).toEqual(new Set(['0-0', '0-1', '0-2']))
  })

  it('takes the storage that its plan says, but for less of a journal, also when its files are exported', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const { plan } = await planRun(model, request, { store, threads: 1, memoryLimitBytes: 1e9, rates: [] })
    const { planHash } = await runTinyRequest({ model, request, store, engines: [noEngine] })
    const used = async () => (await store.list('runs')).reduce((sum, file) => sum + file.sizeBytes, 0)
    const journal = 8192 * (3 + 1) * (1 + request.recipes.length)
    expect(plan.storageBytes).toBeGreaterThan(await used())
    expect(plan.storageBytes).toBeLessThan((await used()) + journal)
    const tools = {
      checkpoint: model.checkpoint,
      runs: store,
      exports: new MemoryFileStore(),
      kernels: createReferenceKernels(),
      now: () => 0,
    }
    const asked = { planHash, recipeId: 'Q4_0', targetId: 'gguf', options: { maxFileBytes: null, device: null }, destination: null }
    await exportRun(tools, asked, () => undefined, new AbortController().signal)
    expect(plan.storageBytes).toBeGreaterThan(await used())
  })

  it('does not store over what an earlier session has elsewhere in the file', async () => {
    const model = await openTiny()
    const q4 = { ...tinyRequest(['Q4_0']), evaluation: null }
    const store = new MemoryFileStore()
    const stop = new AbortController()
    const onEvent = (event: RunEvent): void => {
      if (event.kind === 'block-stored' && event.block === 1) stop.abort()
    }
    await faultOf(() => runTinyRequest({ model, request: q4, store, engines: [noEngine] }, onEvent, stop.signal))
    // As another version of the studio would lay the file out.
    const gguf = exportTarget('gguf')
    const layout = gguf.layout.bind(gguf)
    const moved = vi.spyOn(gguf, 'layout').mockImplementation((facts) =>
      layout(facts).map((file) => {
        if (file.inPlace === undefined) return file
        const offsets = new Map([...file.inPlace.offsets].map(([name, at]) => [name, at + 32]))
        return { ...file, inPlace: { ...file.inPlace, offsets } }
      }),
    )
    const { planHash } = await runTinyRequest({ model, request: q4, store, engines: [noEngine] })
    moved.mockRestore()
    const straight = new MemoryFileStore()
    await runTinyRequest({ model, request: q4, store: straight, engines: [noEngine] })
    expect(await storedMatrices(store, planHash)).toEqual(await storedMatrices(straight, planHash))
    const result = await requireResult(store, planHash)
    const last = result.tensors['Q4_0']?.find(({ name }) => name.includes('layers.2.mlp.down_proj'))
    expect(last?.path).toMatch(/0-2\.bin$/)
  })

  it('gives back all the memory it took for tiles and their codes', async () => {
    const take = vi.spyOn(TileBuffers.prototype, 'take')
    const give = vi.spyOn(TileBuffers.prototype, 'give')
    await runTinyRequest({ model: await openTiny(), request, store: new MemoryFileStore(), engines: [noEngine] })
    const given = new Set(give.mock.calls.map(([bytes]) => bytes))
    expect(take.mock.results.length).toBeGreaterThan(0)
    expect(take.mock.results.filter(({ value }) => !given.has(value as Uint8Array))).toEqual([])
  })

  it('can be exported, and the file is proved', async () => {
    const model = await openTiny()
    const store = new MemoryFileStore()
    const report = await runTinyRequest({ model, request, store, engines: [noEngine] })
    const source = exportSource(store, model.checkpoint, await requireResult(store, report.planHash), 'Q4_0')
    const place = {
      createSink: (path: string) => store.create(path),
      openWritten: async (path: string) => (await store.open(path)) ?? Promise.reject(new Error(path)),
      removeWritten: (path: string) => store.delete(path),
    }
    const kernels = createReferenceKernels()
    const written = await writeExport({ target: exportTarget('gguf'), source, kernels, ...place }, () => undefined)
    expect(written.files[0]?.bytes).toBe(report.recipes.find(({ id }) => id === 'Q4_0')?.bytes)
  })

  it.each(['Q4_0', 'nearest-4bit-g16'])('names the tensor and the place of a weight that is not a number (%s)', async (recipe) => {
    const name = 'model.layers.1.mlp.up_proj.weight'
    const model = await openTiny()
    const { checkpoint } = model
    vi.spyOn(checkpoint, 'readRawInto').mockImplementation(async (into, tensor, rows, signal) => {
      const data = await checkpoint.readFloat(tensor, rows, signal)
      into.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    })
    const readFloat = checkpoint.readFloat.bind(checkpoint)
    vi.spyOn(checkpoint, 'readFloat').mockImplementation(async (tensor, rows, signal) => {
      const data = await readFloat(tensor, rows, signal)
      if (tensor === name) data[5 * 32 + 7] = Number.NaN
      return data
    })
    const broken = { ...tinyRequest([recipe]), evaluation: null }
    const fault = await faultOf(() => runTinyRequest({ model, request: broken, store: new MemoryFileStore(), engines: [noEngine] }))
    expect(fault).toMatchObject({ code: 'weights-not-finite', details: { tensor: name, row: 5, column: 7 } })
  })

  it('still calibrates recipes that learn, to the bytes of a run that measures', async () => {
    const model = await openTiny()
    const calibration = {
      text: Array.from(tinyText).reverse().join(''),
      textName: 'letters backwards',
      maxTokens: 64,
      contextLength: 16,
      usesChatTemplate: false,
    }
    const measuredRequest = { ...tinyRequest(['Q4_0+imatrix', wholeModel]), calibration }
    const [measuring, quantizing] = [new MemoryFileStore(), new MemoryFileStore()]
    const measured = await runTiny({ model, request: measuredRequest, store: measuring })
    const report = await runTinyRequest({ model, request: { ...measuredRequest, evaluation: null }, store: quantizing })
    expect(await storedMatrices(quantizing, report.planHash)).toEqual(await storedMatrices(measuring, measured.planHash))
    expect(report.evaluation).toBeNull()
    expect(report.calibration?.textName).toBe('letters backwards')
    expect(report.recipes[0]?.layers.every(({ outputError }) => outputError !== null && outputError > 0)).toBe(true)

    // The same importance from a file needs neither text nor engine.
    const file = await imatrixFile(model.checkpoint, await requireResult(measuring, measured.planHash), 'gguf')
    const importance = { fileName: 'letters.gguf', base64: Buffer.from(file).toString('base64') }
    const loading = new MemoryFileStore()
    const fromFile = { ...measuredRequest, evaluation: null, calibration: null, importance }
    const loaded = await runTinyRequest({ model, request: fromFile, store: loading, engines: [noEngine] })
    expect(await storedMatrices(loading, loaded.planHash)).toEqual(await storedMatrices(measuring, measured.planHash))
  })

  it('has no windows that could be too long and no text that could be too short', async () => {
    const model = await openTiny({ config: { max_position_embeddings: 8 } })
    const report = await runTinyRequest({ model, request, store: new MemoryFileStore(), engines: [noEngine] })
    expect(report.recipes).toHaveLength(4)
  })
})
