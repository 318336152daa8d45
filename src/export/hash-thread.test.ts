import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { ByteSource } from '../io/byte-source.ts'
import { checksumOf } from '../io/checksum.ts'
import { memorySource } from '../io/memory-source.ts'
import { type KernelPort, nodeParentPort } from '../kernels/port.ts'
import { faultOf } from '../testing/fault-of.ts'
import { type Hasher, wasmSha256 } from './hash-file.ts'
import { hashInThread, serveHashing } from './hash-thread.ts'

const content = Uint8Array.from({ length: 20 * 2 ** 20 + 3 }, (_, i) => (i * 31 + Math.floor(i / 512)) % 251)
const ended: (() => void)[] = []
afterEach(() => ended.splice(0).forEach((end) => end()))

/** The two ends of a thread that is none: messages are copied as between threads. `lose` ends it. */
function thread(open: (file: unknown) => Promise<ByteSource>, createSha256: () => Hasher | Promise<Hasher> = wasmSha256) {
  const { port1, port2 } = new MessageChannel()
  const close = () => port1.close()
  ended.push(close)
  let lose: (reason: string) => void = () => undefined
  const seen = { terminated: 0 }
  const port: KernelPort = {
    post: (message, transfer) => port1.postMessage(message, transfer),
    listen: (listener) => void port1.on('message', listener),
    onLost: (listener) => {
      lose = listener
    },
    terminate: () => {
      seen.terminated++
      close()
    },
  }
  serveHashing(nodeParentPort(port2), open, createSha256)
  const hasher = hashInThread(port, (path) => `there/${path}`)
  return { hasher, seen, lose: (reason: string) => lose(reason) }
}

describe('a hashing thread', () => {
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

  it('opens the file it is named, tells how far it is and gives its hashes, one file after the other', async () => {
    const { hasher, seen } = thread(async (name) => memorySource('m', name === 'there/model.gguf' ? content : new Uint8Array()))
    const bytes: number[] = []
    const work = [hasher.hashesOf('model.gguf', (done) => bytes.push(done)), hasher.hashesOf('other', () => undefined)]
    const empty = new Uint8Array()
    expect(await Promise.all(work)).toEqual([
      { sha256: sha256(content), checksum: await checksumOf(content) },
      { sha256: sha256(empty), checksum: await checksumOf(empty) },
    ])
    expect(bytes).toEqual([0, 8 * 2 ** 20, 16 * 2 ** 20, content.length])
    expect(seen.terminated).toBe(0)
    hasher.close()
    expect(seen.terminated).toBe(1)
  })

  it('hands over its faults, and goes on with the next file', async () => {
    const short = memorySource('short', content.subarray(0, 9))
    const { hasher } = thread(async (name) => ({ ...short, sizeBytes: name === 'there/short' ? 10 : 9 }))
    const fault = faultOf(() => hasher.hashesOf('short', () => undefined))
    const next = hasher.hashesOf('next', () => undefined)
    expect(await fault).toMatchObject({ code: 'file-damaged' })
    expect((await next).sha256).toBe(sha256(content.subarray(0, 9)))
    const broken: Hasher = {
      update: () => {
        throw new RangeError('no memory')
      },
      digest: () => '',
    }
    const other = thread(
      async () => short,
      () => broken,
    ).hasher
    expect(await faultOf(() => other.hashesOf('any', () => undefined))).toMatchObject({ code: 'internal', message: 'no memory' })
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
      const { hasher } = thread(async () => counted)
      const stop = new AbortController()
      if (stopAt === 'start') stop.abort()
      const fault = await faultOf(() => hasher.hashesOf('large', (bytes) => bytes === 0 && stop.abort(), stop.signal))
      expect(fault.code).toBe('aborted')
      await setImmediate()
      expect(reads.length).toBeLessThan(3)
    }
  })

  it('that dies is a lost worker, to what waits and to what comes after', async () => {
    const { hasher, lose } = thread(() => new Promise(() => undefined))
    const work = faultOf(() => hasher.hashesOf('any', () => undefined))
    await setImmediate()
    lose('out of memory')
    expect(await work).toMatchObject({ code: 'worker-lost', message: expect.stringContaining('out of memory') as string })
    expect(await faultOf(() => hasher.hashesOf('next', () => undefined))).toMatchObject({ code: 'worker-lost' })
  })
})
