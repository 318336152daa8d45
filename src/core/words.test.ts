import { expect, it } from 'vitest'
import { shortWordsIn, signedWordsIn, wordsIn } from './words.ts'

const bytes = Uint8Array.of(0, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 9)

it('sees words in place on their boundary, and in a copy off it', () => {
  const inPlace = bytes.subarray(4, 8)
  expect([...wordsIn(inPlace)]).toEqual([0xffffff04])
  expect(wordsIn(inPlace).buffer).toBe(bytes.buffer)
  const off = bytes.subarray(5, 9)
  expect([...wordsIn(off)]).toEqual([0xffffffff])
  expect([...signedWordsIn(off)]).toEqual([-1])
  expect(signedWordsIn(off).buffer).not.toBe(bytes.buffer)
  expect([...shortWordsIn(bytes.subarray(1, 5))]).toEqual([0x0201, 0x0403])
  expect(shortWordsIn(bytes.subarray(2, 6)).buffer).toBe(bytes.buffer)
})
