import fc from 'fast-check'
import { expect, test } from 'vitest'
import { equalBytes } from './equal-bytes.ts'

test('bytes are equal wherever they lie, and one that differs is found', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 67 }), fc.nat(9), fc.nat(9), fc.nat(), (bytes, before, ahead, place) => {
      const put = (offset: number): Uint8Array => {
        const room = new Uint8Array(offset + bytes.length)
        room.set(bytes, offset)
        return room.subarray(offset)
      }
      const [one, other] = [put(before), put(ahead)]
      expect(equalBytes(one, other)).toBe(true)
      expect(equalBytes(one, put(0).subarray(1))).toBe(bytes.length === 0)
      if (bytes.length === 0) return
      other[place % bytes.length] = (other[place % bytes.length] ?? 0) ^ 1
      expect(equalBytes(one, other)).toBe(false)
    }),
  )
})
