import { expect, test } from 'vitest'
import { TileBuffers } from './tile-buffers.ts'

test('memory that came back is used again, the smallest that is large enough', () => {
  const buffers = new TileBuffers()
  const [large, small] = [buffers.take(1000), buffers.take(100)]
  buffers.give(large)
  buffers.give(small)
  const [first, second, third] = [buffers.take(90), buffers.take(90), buffers.take(90)]
  expect(first).toHaveLength(90)
  expect(first.buffer).toBe(small.buffer)
  expect(second.buffer).toBe(large.buffer)
  expect([small.buffer, large.buffer]).not.toContain(third.buffer)
  expect(third.buffer).toBeInstanceOf(SharedArrayBuffer)
})

test('where none is large enough a new one takes the place of one, so that there are no more than were in use', () => {
  const buffers = new TileBuffers()
  const [first, second] = [buffers.take(10), buffers.take(20)]
  buffers.give(first)
  buffers.give(second)
  const third = buffers.take(30)
  buffers.give(third)
  expect(buffers.take(5).buffer).toBe(first.buffer)
  expect(buffers.take(5).buffer).toBe(third.buffer)
  expect([first.buffer, second.buffer, third.buffer]).not.toContain(buffers.take(5).buffer)
})
