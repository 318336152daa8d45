import { expect, it } from 'vitest'
import { blobSource } from './blob-source.ts'

it('a large read outlives the collection of garbage', async () => {
  const content = new Uint8Array(48 * 2 ** 20).map((_, i) => (i * 7) % 251)
  const source = blobSource('large', new Blob([content]))
  const into = new Uint8Array(content.length)
  const garbage: ArrayBuffer[] = []
  // Memory outside the heap makes the engine collect.
  const timer = setInterval(() => {
    garbage.length = 0
    for (let i = 0; i < 8; i++) garbage.push(new ArrayBuffer(16 * 2 ** 20))
  }, 1)
  try {
    for (let round = 0; round < 3; round++) {
      into.fill(0)
      await source.readInto?.(into, 0)
      expect(into.every((byte, i) => byte === content[i])).toBe(true)
    }
  } finally {
    clearInterval(timer)
  }
}, 60_000)
