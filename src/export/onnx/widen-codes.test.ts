import { describe, expect, it } from 'vitest'
import { Scratch } from '../../io/scratch.ts'
import { unpackRow } from '../code-rows.ts'
import { widenCodes, widenTrits } from './widen-codes.ts'

const bytesOf = (length: number, below = 256): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37 + 11) % below)
/** What was there before must not show. */
function usedMemory(): Scratch {
  const memory = new Scratch()
  memory.take(4096).fill(0xa5)
  return memory
}

describe('widenCodes', () => {
  // 16 codes of 5 or 7 bits do not fill words.
  it.each([5, 6, 7].flatMap((from) => [16, 48, 512].map((count) => [from, count] as const)))('of %i bits gives %i bytes', (from, count) => {
    const codes = bytesOf((count * from) / 8)
    const wanted = new Uint8Array(count)
    unpackRow(codes, { at: 0, bits: from, columns: count }, wanted)
    const shift = 128 - 2 ** (from - 1)
    const wide = widenCodes(codes, { from, to: 8, factor: 1, shift }, usedMemory())
    expect([...(wide ?? [])]).toEqual([...wanted].map((code) => code + shift))
  })
})

describe('widenTrits', () => {
  it.each([16, 80, 96, 512])('gives rows of %i columns whole words', (columns) => {
    const rows = 3
    const codes = bytesOf(rows * Math.ceil(columns / 5), 3 ** 5)
    const wide = widenTrits(codes, columns, usedMemory())
    const found = Array.from({ length: rows * columns }, (_, i) => Math.floor((wide[Math.floor(i / 4)] ?? 0) / 4 ** (i % 4)) % 4)
    const wanted = Array.from({ length: rows * columns }, (_, i) => {
      const column = i % columns
      const byte = codes[Math.floor(i / columns) * Math.ceil(columns / 5) + Math.floor(column / 5)] ?? 0
      return (Math.floor(byte / 3 ** (column % 5)) % 3) + 1
    })
    expect(found).toEqual(wanted)
  })
})
