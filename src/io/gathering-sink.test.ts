import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ByteSink } from './byte-sink.ts'
import { gatheringSink } from './gathering-sink.ts'

const mebibyte = 2 ** 20

/** Keeps what is written once the promise settles, as sinks may. */
function lateSink(fails: () => boolean = () => false) {
  const written: number[] = []
  const pieces: number[] = []
  let isClosed = false
  let pending = 0
  const sink: ByteSink = {
    async write(bytes) {
      pending += 1
      expect(pending).toBe(1)
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (fails()) throw new TypeError('the medium is full')
      pieces.push(bytes.length)
      for (let at = 0; at < bytes.length; at += 1024) written.push(bytes[at] ?? 0)
      pending -= 1
    },
    close() {
      expect(pending).toBe(0)
      isClosed = true
      return Promise.resolve()
    },
    abort: () => Promise.resolve(),
  }
  return { sink, written, pieces, isClosed: () => isClosed }
}

describe('gatheringSink', () => {
  it('writes the same bytes in the same order, whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(0, 1, 300, 1024, 3 * 1024, 4095, 4096, 5000), { maxLength: 12 }), async (kibibytes) => {
        const { sink, written, pieces, isClosed } = lateSink()
        const gathering = gatheringSink(sink)
        const memory = new Uint8Array(5000 * 1024)
        const wanted: number[] = []
        for (const [index, size] of kibibytes.entries()) {
          // The same memory each time: nothing of it is kept.
          for (let at = 0; at < size; at++) {
            memory[1024 * at] = (index + 7 * at) % 256
            wanted.push((index + 7 * at) % 256)
          }
          await gathering.write(memory.subarray(0, 1024 * size))
        }
        await gathering.close()
        expect(isClosed()).toBe(true)
        expect(written).toEqual(wanted)
        expect(pieces.every((piece, index) => piece === 4 * mebibyte || index === pieces.length - 1)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('writes in stretches of 4 MiB', async () => {
    const { sink, pieces } = lateSink()
    const gathering = gatheringSink(sink)
    for (let i = 0; i < 9; i++) await gathering.write(new Uint8Array(mebibyte))
    await gathering.close()
    expect(pieces).toEqual([4 * mebibyte, 4 * mebibyte, mebibyte])
  })

  it('does not wait for the sink until 32 MiB do', async () => {
    const { sink, pieces } = lateSink()
    const gathering = gatheringSink(sink)
    await gathering.write(new Uint8Array(32 * mebibyte))
    expect(pieces).toEqual([])
    await gathering.write(new Uint8Array(1))
    expect(pieces.length).toBeGreaterThan(0)
    await gathering.close()
    expect(pieces.length).toBe(9)
  })

  it('tells a fault of the sink at a later call, and does not close then', async () => {
    const { sink, isClosed } = lateSink(() => true)
    const gathering = gatheringSink(sink)
    await gathering.write(new Uint8Array(3 * mebibyte))
    await gathering.write(new Uint8Array(3 * mebibyte))
    await expect(gathering.close()).rejects.toThrow('the medium is full')
    expect(isClosed()).toBe(false)
    await gathering.abort()
  })
})
