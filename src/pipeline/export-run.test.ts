import { createHash } from 'node:crypto'
import { expect, it, vi } from 'vitest'
import { writeExport } from '../export/write-export.ts'
import { readGguf } from '../formats/gguf/read.ts'
import { memorySource } from '../io/memory-source.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import type { ExportResult } from '../rpc/contract.ts'
import { faultOf } from '../testing/fault-of.ts'
import { openTiny, runTinyRequest, tinyRequest } from '../testing/tiny-run.ts'
import { exportRun, exportTarget } from './export-run.ts'
import { exportSource, requireResult } from './run-result.ts'

const signal = new AbortController().signal

async function finishedRun() {
  const model = await openTiny()
  const [runs, exports] = [new MemoryFileStore(), new MemoryFileStore()]
  const request = { ...tinyRequest(['Q4_0', 'Q8_0']), evaluation: null }
  const { planHash } = await runTinyRequest({ model, request, store: runs, engines: [] })
  const tools = { checkpoint: model.checkpoint, runs, exports, kernels: createReferenceKernels(), now: () => 0 }
  const write = (recipeId: string, maxFileBytes: number | null, targetId = 'gguf'): Promise<ExportResult> =>
    exportRun(tools, { planHash, recipeId, targetId, options: { maxFileBytes, device: null }, destination: null }, () => undefined, signal)
  const bytesAt = async (storedPath = ''): Promise<Uint8Array> => {
    const [store, ...path] = storedPath.split('/')
    const source = await (store === 'runs' ? runs : exports).open(path.join('/'))
    return (await source?.read(0, source.sizeBytes)) ?? new Uint8Array()
  }
  return { model, planHash, runs, exports, tools, write, bytesAt }
}

it('written anew with other options keeps no file of before, and those of others', async () => {
  const { exports, write } = await finishedRun()
  const other = await write('Q8_0', 10_000)
  const parts = await write('Q4_0', 5_000)
  const fewer = await write('Q4_0', 10_000)
  expect(parts.storedPaths.some((path) => !fewer.storedPaths.includes(path))).toBe(true)
  const kept = (await exports.list('')).map(({ path }) => `exports/${path}`)
  expect(kept).toEqual([...other.storedPaths, ...fewer.storedPaths].sort())
})

it('completes a GGUF where the run stored its weights: the bytes of one that is written whole, again and again', async () => {
  const { model, planHash, runs, exports, write, bytesAt } = await finishedRun()
  const [storedPath = '', ...kit] = (await write('Q4_0', null)).storedPaths
  expect(storedPath).toMatch(/^runs\/.*\/0-model\.bin$/)
  expect((await exports.list('')).map(({ path }) => `exports/${path}`)).toEqual(kit.sort())

  const source = exportSource(runs, model.checkpoint, await requireResult(runs, planHash), 'Q4_0')
  const whole = new MemoryFileStore()
  const { files } = await writeExport(
    {
      target: exportTarget('gguf'),
      source,
      kernels: createReferenceKernels(),
      createSink: (path) => whole.create(path),
      openWritten: async (path) => (await whole.open(path)) ?? Promise.reject(new Error(path)),
      removeWritten: (path) => whole.delete(path),
    },
    () => undefined,
  )
  const [file] = files
  const completed = await bytesAt(storedPath)
  expect(createHash('sha256').update(completed).digest('hex')).toBe(file?.sha256)
  const again = await write('Q4_0', null)
  expect(again.storedPaths[0]).toBe(storedPath)
  expect(again.files[0]?.sha256).toBe(file?.sha256)
  // The run is still there for other formats.
  const quantized = await readGguf(memorySource('a.gguf', new Uint8Array(completed)))
  expect(quantized.tensors.length).toBeGreaterThan(0)
  expect((await write('Q4_0', 10_000)).storedPaths.every((path) => path.startsWith('exports/'))).toBe(true)
})

it('finds a byte that changed in the file since it was stored, and leaves nothing that looks finished', async () => {
  const { planHash, runs, exports, write } = await finishedRun()
  const { tensors } = await requireResult(runs, planHash)
  const stored = tensors['Q4_0']?.find(({ path }) => path.endsWith('0-model.bin'))
  const at = (stored?.tiles[0]?.offset ?? 0) + 3
  const source = await runs.open(stored?.path ?? '')
  const byte = (await source?.read(at, at + 1)) ?? new Uint8Array(1)
  const editor = await runs.edit(stored?.path ?? '')
  await editor.write(Uint8Array.of((byte[0] ?? 0) ^ 1), at)
  const fault = await faultOf(() => write('Q4_0', null))
  expect(fault).toMatchObject({ code: 'storage-fault' })
  expect(fault.message).toContain(stored?.name)
  expect(await exports.list('')).toEqual([])
})

it('writes the file whole where the host cannot write into files, and where the run stored elsewhere', async () => {
  const { runs, write } = await finishedRun()
  vi.spyOn(runs, 'edit').mockResolvedValue(null as never)
  expect((await write('Q4_0', null)).storedPaths.every((path) => path.startsWith('exports/'))).toBe(true)
})

it('compares with what is stored without its checksums, and where the two differ tells which of them has changed', async () => {
  const { model, planHash, runs, exports } = await finishedRun()
  const result = await requireResult(runs, planHash)
  const source = exportSource(runs, model.checkpoint, result, 'Q8_0')
  const stored = result.tensors['Q8_0']?.[0]
  const at = (stored?.tiles[0]?.offset ?? 0) + 5
  const flip = async (path: string, place: number, store: MemoryFileStore) => {
    const byte = (await (await store.open(path))?.read(place, place + 1)) ?? new Uint8Array(1)
    const editor = await store.edit(path)
    await editor.write(Uint8Array.of((byte[0] ?? 0) ^ 1), place)
    await editor.close()
  }
  const checks: (boolean | undefined)[] = []
  const job = (whenProving: (path: string) => Promise<void>) => ({
    target: exportTarget('onnx'),
    source: {
      ...source,
      readTiles: (...args: Parameters<typeof source.readTiles>) => {
        checks.push(args[2]?.isChecked)
        return source.readTiles(...args)
      },
    },
    kernels: createReferenceKernels(),
    createSink: (path: string) => exports.create(path),
    openWritten: async (path: string) => {
      if (path.endsWith('_data')) await whenProving(path)
      return (await exports.open(path)) ?? Promise.reject(new Error(path))
    },
    removeWritten: (path: string) => exports.delete(path),
  })
  await writeExport(
    job(() => Promise.resolve()),
    () => undefined,
  )
  expect(new Set(checks)).toEqual(new Set([undefined, false]))
  // The hash of the file asks for it first: one byte of it changes once.
  let isChanged = false
  const inFile = await faultOf(() =>
    writeExport(
      job(async (path) => {
        const size = (await exports.open(path))?.sizeBytes ?? 0
        if (!isChanged) await flip(path, size - 50, exports)
        isChanged = true
      }),
      () => undefined,
    ),
  )
  expect(inFile.code).toBe('proof-failed')
  const inStorage = await faultOf(() =>
    writeExport(
      job(async () => {
        if (checks.length > 0) await flip(stored?.path ?? '', at, runs)
        checks.length = 0
      }),
      () => undefined,
    ),
  )
  expect(inStorage.code).toBe('storage-fault')
  expect(inStorage.message).toContain(stored?.name)
  expect(await exports.list('')).toEqual([])
})
