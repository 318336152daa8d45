import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { abortError } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { madeCheckpoint, madeExportSource } from '../testing/export-source.ts'
import { tinyLlamaConfig } from '../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../testing/tokenizer-files.ts'
import { type FileHasher, hashHere } from './hash-file.ts'
import { exportTargets } from './registry.ts'
import type { ExportTarget } from './target.ts'
import { type ExportJob, type WriteProgress, writeExport } from './write-export.ts'

const kernels = createReferenceKernels()
const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig({ num_hidden_layers: 1 }), tokenizerFiles: sentencePieceFiles() })
const blocks = await madeExportSource(checkpoint, kernels, ({ name }) =>
  name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q4_0' } : { encoding: 'source' },
)
const affine = await madeExportSource(checkpoint, kernels, ({ name }) =>
  name.startsWith('model.layers') ? { encoding: 'affine', bits: 4, group: 32, isSymmetric: true } : { encoding: 'source' },
)

const targetCalled = (title: string): ExportTarget => {
  const target = exportTargets.find((each) => each.title === title)
  if (target === undefined) throw new Error(`no target ${title}`)
  return target
}

function job(store: MemoryFileStore, change: Partial<ExportJob> = {}): ExportJob {
  return {
    target: targetCalled('GGUF'),
    source: blocks,
    kernels,
    createSink: (path) => store.create(path),
    openWritten: async (path) => (await store.open(path)) ?? Promise.reject(new Error(`no ${path}`)),
    removeWritten: (path) => store.delete(path),
    ...change,
  }
}

const nothing = () => undefined

async function allBytes(source: ByteSource | null): Promise<Uint8Array<ArrayBuffer>> {
  return source === null ? new Uint8Array() : source.read(0, source.sizeBytes)
}

describe('exportTargets', () => {
  it('are the files of the folder', () => {
    expect(exportTargets.map((target) => target.id)).toEqual([
      'awq',
      'bitsandbytes',
      'compressed-tensors',
      'gguf',
      'gptq-v2',
      'gptq',
      'llama2c',
      'onnx-qdq',
      'onnx',
      'tflite',
    ])
  })
})

describe('writeExport', () => {
  it.each([
    ['GGUF', blocks],
    ['GPTQ', affine],
  ])('writes %s with its planned sizes and the SHA-256 of what is stored', async (title, source) => {
    const store = new MemoryFileStore()
    const target = targetCalled(title)
    const result = await writeExport(job(store, { target, source }), nothing)
    expect(result.target).toBe(target.id)
    expect(result.files.map(({ path, bytes }) => ({ path, sizeBytes: bytes }))).toEqual(
      target.layout(source).map(({ path, sizeBytes }) => ({ path, sizeBytes })),
    )
    for (const { path, sha256 } of result.files) {
      const bytes = await allBytes(await store.open(path))
      expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
    }
  })

  it('tells how far it is, each step from nothing to all, and done once', async () => {
    const seen: WriteProgress[] = []
    await writeExport(job(new MemoryFileStore(), { target: targetCalled('GPTQ'), source: affine }), (progress) => seen.push(progress))
    const total = seen[0]?.bytes ?? 0
    expect(seen.every((each) => each.bytes === total && each.bytesDone <= total)).toBe(true)
    for (const step of ['writing', 'hashing', 'done'] as const) {
      const done = seen.filter((each) => each.step === step).map((each) => each.bytesDone)
      expect(done).toEqual(done.toSorted((a, b) => a - b))
      expect(done.at(-1)).toBe(total)
    }
    expect(seen.filter((each) => each.step === 'done')).toHaveLength(1)
    expect(seen.at(-1)?.step).toBe('done')
  })

  it('refuses what the target cannot hold before anything is created', async () => {
    const store = new MemoryFileStore()
    const attempt = writeExport(job(store, { source: affine }), nothing)
    await expect(attempt).rejects.toMatchObject({ code: 'export-refused', message: expect.stringMatching(/affine codes/) as string })
    expect(await store.list('')).toEqual([])
  })

  it('catches a byte that changed on disk, names the tensor and removes the file', async () => {
    const store = new MemoryFileStore()
    const openWritten = async (path: string) => {
      const bytes = await allBytes(await store.open(path))
      const at = bytes.length - 3 * 4096
      bytes[at] = 255 - (bytes[at] ?? 0)
      return memorySource(path, bytes)
    }
    const attempt = writeExport(job(store, { openWritten }), nothing)
    await expect(attempt).rejects.toMatchObject({ code: 'proof-failed', message: expect.stringMatching(/^Tensor blk\.0\./) as string })
    expect(await store.list('')).toEqual([])
  })

  it('catches a changed byte that belongs to no tensor by its hash, in text files too', async () => {
    for (const path of ['tokenizer.json', 'made-made.gguf']) {
      const store = new MemoryFileStore()
      const isGguf = path.endsWith('gguf')
      const openWritten = async (opened: string) => {
        const bytes = await allBytes(await store.open(opened))
        // Vectors of 64 values need no padding, so the only padding is behind the header.
        const at = isGguf ? paddingOf(bytes) : 5
        if (opened === path) bytes[at] = 255 - (bytes[at] ?? 0)
        return memorySource(opened, bytes)
      }
      const [target, source] = isGguf ? [targetCalled('GGUF'), blocks] : [targetCalled('GPTQ'), affine]
      const attempt = writeExport(job(store, { target, source, openWritten }), nothing)
      await expect(attempt).rejects.toMatchObject({ code: 'proof-failed', message: expect.stringMatching(/another checksum/) as string })
      expect(await store.list('')).toEqual([])
    }
  })

  it('catches a file that is shorter on disk', async () => {
    const store = new MemoryFileStore()
    const openWritten = async (path: string) => memorySource(path, (await allBytes(await store.open(path))).subarray(0, 5000))
    await expect(writeExport(job(store, { openWritten }), nothing)).rejects.toThrow(/has 5000 bytes on disk/)
    expect(await store.list('')).toEqual([])
  })

  it('leaves nothing after an abort, while writing and while proving', async () => {
    for (const step of ['writing', 'comparing'] as const) {
      const store = new MemoryFileStore()
      const controller = new AbortController()
      const attempt = writeExport(
        job(store, { target: targetCalled('GPTQ'), source: affine }),
        (progress) => {
          if (progress.step === step && progress.path === 'model.safetensors') controller.abort()
        },
        controller.signal,
      )
      await expect(attempt, step).rejects.toMatchObject({ code: 'aborted' })
      expect(await store.list('')).toEqual([])
    }
  })

  it('leaves nothing when storage ends', async () => {
    const store = new MemoryFileStore({ limitBytes: 50_000 })
    await expect(writeExport(job(store), nothing)).rejects.toMatchObject({ code: 'storage-full' })
    expect(await store.list('')).toEqual([])
    expect((await store.estimate()).freeBytes).toBe(50_000)
  })

  it('stops a target that writes another size than it planned', async () => {
    const store = new MemoryFileStore()
    const target: ExportTarget = {
      ...targetCalled('GGUF'),
      layout: (facts) =>
        targetCalled('GGUF')
          .layout(facts)
          .map((file) => ({ ...file, sizeBytes: file.sizeBytes + 1 })),
    }
    await expect(writeExport(job(store, { target }), nothing)).rejects.toMatchObject({ code: 'internal' })
    expect(await store.list('')).toEqual([])
  })
})

describe('a hasher in another thread', () => {
  const bytes = Uint8Array.from({ length: 5 * 2 ** 20 }, (_, i) => (i * 13) % 241)
  /** One file large enough for a thread, compared by `verify`. */
  const largeFile = (verify: () => Promise<void>): ExportTarget => ({
    ...targetCalled('GGUF'),
    layout: () => [
      {
        path: 'large.bin',
        sizeBytes: bytes.length,
        async *write() {
          yield bytes
        },
        verify,
      },
    ],
  })
  const opened = async (store: MemoryFileStore, path: string) => (await store.open(path)) ?? Promise.reject(new Error(path))
  /** This thread in the place of another one. */
  function hasherOf(store: MemoryFileStore, change: Partial<FileHasher> = {}) {
    const seen = { closed: 0 }
    const close = (): void => {
      seen.closed++
    }
    const hasher: FileHasher = { ...hashHere((path) => opened(store, path)), close, ...change }
    return { startHasher: () => hasher, seen }
  }

  it('hashes what is on the disk beside the comparison, and tells of it after that', async () => {
    const store = new MemoryFileStore()
    const order: string[] = []
    const target = largeFile(async () => {
      order.push('comparing')
      await Promise.resolve()
      order.push('compared')
    })
    const here = hashHere((path) => opened(store, path))
    const { startHasher, seen } = hasherOf(store, {
      hashesOf: (path, onBytes) => {
        order.push('reading')
        onBytes(7)
        return here.hashesOf(path, onBytes)
      },
    })
    const told: WriteProgress[] = []
    const { files } = await writeExport(job(store, { target, startHasher }), (progress) => told.push(progress))
    expect(files[0]?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(order).toEqual(['reading', 'comparing', 'compared'])
    const steps = told.map(({ step }) => step)
    expect(steps.lastIndexOf('comparing')).toBeLessThan(steps.indexOf('hashing'))
    expect(seen.closed).toBe(1)
  })

  /** Hashes until it is stopped. */
  const endless = (stopped: () => void): FileHasher['hashesOf'] => {
    return (_path, _onBytes, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          stopped()
          reject(abortError())
        })
      })
  }

  it('is stopped by a file that does not compare, whose fault is the one thrown', async () => {
    const store = new MemoryFileStore()
    const target = largeFile(() => Promise.reject(new Error('differs')))
    let stops = 0
    const { startHasher, seen } = hasherOf(store, { hashesOf: endless(() => stops++) })
    await expect(writeExport(job(store, { target, startHasher }), nothing)).rejects.toThrow('differs')
    expect([stops, seen.closed]).toEqual([1, 1])
    expect(await store.list('')).toEqual([])
  })

  it('is stopped by an abort when all is compared', async () => {
    const store = new MemoryFileStore()
    const controller = new AbortController()
    let stops = 0
    const { startHasher, seen } = hasherOf(store, { hashesOf: endless(() => stops++) })
    const attempt = writeExport(
      job(store, { target: largeFile(async () => undefined), startHasher }),
      ({ step }) => step === 'hashing' && controller.abort(),
      controller.signal,
    )
    await expect(attempt).rejects.toMatchObject({ code: 'aborted' })
    expect([stops, seen.closed]).toEqual([1, 1])
    expect(await store.list('')).toEqual([])
  })

  it('finds a byte that changed on disk', async () => {
    const store = new MemoryFileStore()
    const flipped = bytes.slice()
    flipped[4_000_000] = 255 - (flipped[4_000_000] ?? 0)
    const { startHasher } = hasherOf(
      store,
      hashHere(async (path) => memorySource(path, flipped)),
    )
    const attempt = writeExport(job(store, { target: largeFile(async () => undefined), startHasher }), nothing)
    await expect(attempt).rejects.toMatchObject({ code: 'proof-failed', message: expect.stringMatching(/another checksum/) as string })
    expect(await store.list('')).toEqual([])
  })

  it('that fails leaves nothing', async () => {
    const store = new MemoryFileStore()
    const { startHasher, seen } = hasherOf(store, { hashesOf: () => Promise.reject(new Error('the thread died')) })
    const attempt = writeExport(job(store, { target: largeFile(async () => undefined), startHasher }), nothing)
    await expect(attempt).rejects.toThrow('the thread died')
    expect(seen.closed).toBe(1)
    expect(await store.list('')).toEqual([])
  })
})

/** Offset of a zero byte between the header and the first tensor. */
function paddingOf(bytes: Uint8Array): number {
  const text = new TextDecoder('latin1').decode(bytes)
  const lastName = text.lastIndexOf('output_norm.weight')
  // name, dimension count, one extent, type, offset: then padding up to a multiple of 32.
  const end = lastName + 'output_norm.weight'.length + 4 + 8 + 4 + 8
  if (end % 32 === 0) throw new Error('this header has no padding; change the model name of the test')
  return end
}
