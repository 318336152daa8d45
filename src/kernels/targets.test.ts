import { expect, test } from 'vitest'
import { sharedBytes } from '../core/shared-memory.ts'
import { areShared, deliver, owned } from './targets.ts'

test('what has a target is copied there, the rest comes back', () => {
  const targets = { codes: new Uint8Array(4).subarray(1, 3), scales: new Float32Array(1) }
  const rest = deliver({ codes: Uint8Array.of(1, 2), scales: Float32Array.of(0.5), sums: { count: 2 } }, targets)
  expect(rest).toEqual({ sums: { count: 2 } })
  expect([...new Uint8Array(targets.codes.buffer)]).toEqual([0, 1, 2, 0])
  expect(targets.scales).toEqual(Float32Array.of(0.5))
})

test('a result without the array that a target is for is a fault', () => {
  expect(() => deliver({}, { codes: new Uint8Array(2) })).toThrow(TypeError)
  expect(() => deliver({ codes: new Uint8Array(3) }, { codes: new Uint8Array(2) })).toThrow(RangeError)
})

test('an array in a larger buffer is copied out of it, one that is all of its buffer is not', () => {
  const memory = Uint8Array.of(1, 2, 3, 4)
  const whole = Uint8Array.of(5)
  const result = owned({ part: memory.subarray(1, 3), whole, count: 2 }) as { part: Uint8Array; whole: Uint8Array; count: number }
  expect(result).toEqual({ part: Uint8Array.of(2, 3), whole, count: 2 })
  expect(result.part.buffer.byteLength).toBe(2)
  expect(result.whole).toBe(whole)
  expect((owned(memory.subarray(2)) as Uint8Array).buffer.byteLength).toBe(2)
  expect(owned(7)).toBe(7)
})

test('targets are shared when all are', () => {
  expect(areShared({ a: sharedBytes(1), b: sharedBytes(1) })).toBe(true)
  expect(areShared({ a: sharedBytes(1), b: new Uint8Array(1) })).toBe(false)
})
