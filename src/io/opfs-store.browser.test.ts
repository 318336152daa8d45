import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeCases } from '../testing/file-store-contract.ts'
import { fileHandleSink } from './handle-sink.ts'
import { OpfsFileStore } from './opfs-store.ts'

async function clear(): Promise<void> {
  const root = await navigator.storage.getDirectory()
  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true })
}

beforeAll(clear)
afterAll(clear)

describe('OPFS on the page, through createWritable', () => {
  it.each(storeCases.map(({ name, run }, index) => [name, run, index] as const))('%s', async (_name, run, index) => {
    await run(new OpfsFileStore(`page-case-${index}`))
  })
})

describe('OPFS in a worker, through sync access handles', () => {
  it.each([
    ['files on the disk', true],
    ['files that the system writes when it likes', false],
  ])('keeps the same promises with %s', async (_name, isDurable) => {
    const worker = new Worker(new URL('../testing/opfs.test-worker.ts', import.meta.url), { type: 'module' })
    const faults = await new Promise((resolve, reject) => {
      worker.onmessage = (event: MessageEvent<unknown>) => resolve(event.data)
      worker.onerror = (event) => reject(new Error(event.message))
      worker.postMessage(isDurable)
    })
    worker.terminate()
    expect(faults).toEqual(storeCases.map(({ name }) => [name, null]))
  })
})

describe('a file that the person chose', () => {
  it('is written on close; an abort leaves the old content, or no file where there was none', async () => {
    const root = await navigator.storage.getDirectory()
    const write = async (name: string, text: string, end: 'close' | 'abort') => {
      const sink = await fileHandleSink(await root.getFileHandle(name, { create: true }))
      await sink.write(new TextEncoder().encode(text))
      await sink[end]()
    }
    const content = async (name: string) => (await (await root.getFileHandle(name)).getFile()).text()
    await write('chosen', 'first', 'close')
    await write('chosen', 'second', 'abort')
    expect(await content('chosen')).toBe('first')
    await write('fresh', 'half', 'abort')
    await expect(content('fresh')).rejects.toThrow()
  })

  it('tells a full disk apart', async () => {
    const stream = {
      write: async () => {
        throw new DOMException('full', 'QuotaExceededError')
      },
      abort: async () => undefined,
    }
    const handle = { name: 'model.gguf', getFile: async () => new File([], ''), createWritable: async () => stream }
    const sink = await fileHandleSink(handle as unknown as FileSystemFileHandle)
    await expect(sink.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'storage-full', title: 'The storage is full' })
  })
})
