import { expect, test } from 'vitest'
import { TileBuffers } from './tile-buffers.ts'

test('memory that came back is used again, the smallest that is large enough', () => {
  const buffers = new TileBuffers()
  const [large, small] = [buffers.take(1000), buffers.take(100)]
  buffers.give([large, small])
  const [first, second] = [buffers.take(90), buffers.take(90)]
  expect(first).toHaveLength(90)
  expect([first.buffer, second.buffer]).toEqual([small.buffer, large.buffer])
  expect(buffers.take(90).buffer).not.toBe(second.buffer)
})

test('where none is large enough a new one takes the place of one, so that there are no more than were in use', () => {
  const buffers = new TileBuffers()
  const [first, second] = [buffers.take(10), buffers.take(20)]
  buffers.give([first, second])
  const third = buffers.take(30)
  buffers.give([third])
  expect([buffers.take(5).buffer, buffers.take(5).buffer]).toEqual([first.buffer, third.buffer])
  expect([first.buffer, second.buffer, third.buffer]).not.toContain(buffers.take(5).buffer)
})

test('arrays of one room bring it back once; other memory is left alone', () => {
  const buffers = new TileBuffers()
  const room = buffers.take(16)
  buffers.give([room.subarray(0, 8), new Float32Array(room.buffer, 8, 1), new Uint8Array(16)])
  expect(buffers.take(16).buffer).toBe(room.buffer)
  const other = buffers.take(16)
  expect(other.buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(other.buffer).not.toBe(room.buffer)
})
