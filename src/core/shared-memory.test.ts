import { afterEach, expect, test, vi } from 'vitest'
import { canShareMemory, isShared, sharedBytes, sharedFloats } from './shared-memory.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

test('arrays lie in shared memory and begin with zeros', () => {
  expect(canShareMemory()).toBe(true)
  expect([sharedBytes(5), sharedFloats(3)]).toEqual([new Uint8Array(5), new Float32Array(3)])
  expect(isShared(sharedBytes(5))).toBe(true)
  expect(isShared(sharedFloats(3).subarray(1))).toBe(true)
})

test('a page that is not isolated gets memory of its own', () => {
  vi.stubGlobal('SharedArrayBuffer', undefined)
  expect(canShareMemory()).toBe(false)
  expect(sharedBytes(5)).toEqual(new Uint8Array(5))
  expect(isShared(sharedBytes(5))).toBe(false)
  expect(isShared(sharedFloats(3))).toBe(false)
})
