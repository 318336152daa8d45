import { expect, test } from 'vitest'
import { sharedFloats } from '../core/shared-memory.ts'
import { SpareBuffers } from './spare-buffers.ts'

const count = 2 ** 15
const values = Float32Array.from({ length: 3 * count }, (_, i) => i)

test('a copy goes into a spare buffer of its size and holds the same values', () => {
  const spares = new SpareBuffers(2 ** 20)
  const buffer = new Float32Array(count).fill(Number.NaN).buffer
  spares.give([buffer])
  const copied = spares.copy(values, count, 2 * count)
  expect(copied.buffer).toBe(buffer)
  expect(copied).toEqual(values.slice(count, 2 * count))
  expect(spares.bytes).toBe(0)
  // Taken: the next copy gets memory of its own.
  expect(spares.copy(values, 0, count).buffer).not.toBe(buffer)
})

test('a buffer serves arrays of any type, and views into larger arrays are copied from their own place', () => {
  const spares = new SpareBuffers(2 ** 20)
  const buffer = new ArrayBuffer(2 ** 17)
  spares.give([buffer])
  const bytes = Uint8Array.from({ length: 2 ** 18 }, (_, i) => i % 251).subarray(5)
  const copied = spares.copy(bytes, 3, 3 + 2 ** 17)
  expect(copied).toBeInstanceOf(Uint8Array)
  expect(copied.buffer).toBe(buffer)
  expect(Buffer.compare(copied, bytes.slice(3, 3 + 2 ** 17))).toBe(0)
})

test('a buffer of another size stays where it is', () => {
  const spares = new SpareBuffers(2 ** 20)
  spares.give([new ArrayBuffer(2 ** 17)])
  expect(spares.copy(values, 0, count + 1).byteLength).toBe(4 * (count + 1))
  expect(spares.bytes).toBe(2 ** 17)
})

test('the oldest buffers make room, and small ones are not kept', () => {
  const spares = new SpareBuffers(2 ** 18)
  const buffers = [1, 2, 3].map(() => new ArrayBuffer(2 ** 17))
  spares.give([...buffers, new ArrayBuffer(100)])
  expect(spares.bytes).toBe(2 ** 18)
  const taken = [0, 1].map(() => spares.copy(values, 0, count).buffer)
  expect(taken).toEqual([buffers[2], buffers[1]])
  expect(taken[0]).toBe(buffers[2])
  spares.give([new ArrayBuffer(2 ** 19)])
  expect(spares.bytes).toBe(0)
})

test('shared memory is looked at where it lies', () => {
  const spares = new SpareBuffers(2 ** 20)
  spares.give([new ArrayBuffer(4 * count)])
  const shared = sharedFloats(3 * count)
  const cut = spares.copy(shared, count, 2 * count)
  expect(cut.buffer).toBe(shared.buffer)
  expect([cut.byteOffset, cut.length]).toEqual([4 * count, count])
  expect(spares.bytes).toBe(4 * count)
})

test('cleared, nothing is kept', () => {
  const spares = new SpareBuffers(2 ** 20)
  spares.give([new ArrayBuffer(2 ** 17)])
  spares.clear()
  expect(spares.bytes).toBe(0)
})
