import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import { type KernelPort, nodeParentPort } from '../kernels/port.ts'
import { faultOf } from '../testing/fault-of.ts'
import { wasmSha256 } from './hash-file.ts'
import { hashInThread, serveHashing } from './hash-thread.ts'

const content = Uint8Array.from({ length: 20 * 2 ** 20 + 3 }, (_, i) => (i * 31 + Math.floor(i / 512)) % 251)
const ended: (() => void)[] = []
afterEach(() => ended.splice(0).forEach((end) => end()))

/** The two ends of a thread that is none: messages are copied as between threads. `lose` ends it. */
function thread(open: (file: unknown) => Promise<ByteSource>) {
  const { port1, port2 } = new MessageChannel()
  const close = () => port1.close()
  ended.push(close)
  let lose: (reason: string) => void = () => undefined
  const seen = { terminated: 0 }
  const port: KernelPort = {
    post: (message) => port1.postMessage(message),
    listen: (listener) => void port1.on('message', listener),
    onLost: (listener) => {
      lose = listener
    },
    terminate: () => {
      seen.terminated++
      close()
    },
  }
  serveHashing(nodeParentPort(port2), open, wasmSha256)
  return { port, seen, lose: (reason: string) => lose(reason) }
}

describe('a hashing thread', () => {
  it('opens the file it is named, tells how far it is, gives its hashes and ends', async () => {
    const { port, seen } = thread(async (name) => memorySource(String(name), name === 'model.gguf' ? content : new Uint8Array()))
    const bytes: number[] = []
    const { sha256, checksum } = await hashInThread(port, 'model.gguf', (done) => bytes.push(done))
    expect(sha256).toBe(createHash('sha256').update(content).digest('hex'))
    expect(checksum).toMatch(/^[0-9a-f]{16}$/)
    expect(bytes).toEqual([0, 8 * 2 ** 20, 16 * 2 ** 20, content.length])
    expect(seen.terminated).toBe(1)
  })

  it('hands over its fault', async () => {
    const { port, seen } = thread(async () =>
      memorySource('short', content.subarray(0, 9))
        .read(3, 10)
        .then(() => Promise.reject(new Error())),
    )
    expect(await faultOf(() => hashInThread(port, 'short', () => undefined))).toMatchObject({ code: 'file-damaged' })
    expect(seen.terminated).toBe(1)
  })

  it('stops between two reads, before and after it began', async () => {
    for (const stopAt of ['start', 'middle']) {
      const reads: number[] = []
      const source = memorySource('large', content)
      const counted: ByteSource = {
        ...source,
        async readInto(into, start) {
          reads.push(start)
          await setImmediate()
          await source.readInto?.(into, start)
        },
      }
      const { port, seen } = thread(async () => counted)
      const stop = new AbortController()
      if (stopAt === 'start') stop.abort()
      const fault = await faultOf(() => hashInThread(port, 'large', (bytes) => bytes === 0 && stop.abort(), stop.signal))
      expect(fault.code).toBe('aborted')
      expect(reads.length).toBeLessThan(3)
      expect(seen.terminated).toBe(1)
    }
  })

  it('that dies is a lost worker', async () => {
    const { port, lose } = thread(() => new Promise(() => undefined))
    const work = faultOf(() => hashInThread(port, 'any', () => undefined))
    lose('out of memory')
    expect(await work).toMatchObject({ code: 'worker-lost', message: expect.stringContaining('out of memory') as string })
  })
})
