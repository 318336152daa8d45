import { describe, expect, it } from 'vitest'
import { widenHalf } from '../../core/float16.ts'
import { flipSigns, splitQ8, widenFields, widenTrits } from './make.ts'

const bytesOf = (length: number, below = 256): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37 + 11 * (i >> 8) + 11) % below)
/** What was there before must not show. */
const used = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(0xa5)

/** Fields of `bits` bits, least significant first. */
function fieldsIn(bytes: Uint8Array, bits: number): number[] {
  const bitOf = (at: number): number => Math.floor((bytes[Math.floor(at / 8)] ?? 0) / 2 ** (at % 8)) % 2
  return Array.from({ length: (8 * bytes.length) / bits }, (_, field) =>
    Array.from({ length: bits }, (_bit, i) => bitOf(field * bits + i) * 2 ** i).reduce((sum, value) => sum + value, 0),
  )
}

describe('widenFields', () => {
  const widths = [
    { from: 1, to: 2, factor: 2, shift: 1 },
    { from: 1, to: 4, factor: 1, shift: 3 },
    { from: 2, to: 4, factor: 1, shift: 6 },
    { from: 3, to: 4, factor: 1, shift: 4 },
    { from: 3, to: 8, factor: 1, shift: 0 },
    { from: 5, to: 8, factor: 1, shift: 112 },
    { from: 6, to: 8, factor: 1, shift: 96 },
    { from: 7, to: 8, factor: 1, shift: 64 },
  ] as const
  // The last one is more than a stage.
  const counts = [16, 48, 512, 150_000]
  it.each(widths.flatMap((widening) => counts.map((count) => ({ ...widening, count }))))('of $from bits to $to, $count codes', (each) => {
    const { from, to, factor, shift, count } = each
    const codes = bytesOf((count * from) / 8)
    const wide = used((count * to) / 8)
    widenFields(codes, each, wide)
    expect(fieldsIn(wide, to)).toEqual(fieldsIn(codes, from).map((code) => factor * code + shift))
  })
})

describe('widenTrits', () => {
  it.each([16, 80, 96, 512, 2048])('gives rows of %i columns whole words', (columns) => {
    const rows = columns === 2048 ? 200 : 3
    const codes = bytesOf(rows * Math.ceil(columns / 5), 3 ** 5)
    const wide = used((rows * columns) / 4)
    expect(widenTrits(codes, columns, wide)).toBe(true)
    const wanted = Array.from({ length: rows * columns }, (_, i) => {
      const column = i % columns
      const byte = codes[Math.floor(i / columns) * Math.ceil(columns / 5) + Math.floor(column / 5)] ?? 0
      return (Math.floor(byte / 3 ** (column % 5)) % 3) + 1
    })
    expect(fieldsIn(wide, 2)).toEqual(wanted)
  })

  it('knows every byte', () => {
    const codes = Uint8Array.from({ length: 3 ** 5 }, (_, byte) => byte)
    const wide = used((3 ** 5 * 80) / 4)
    // Rows of sixteen bytes, all the same.
    const rows = new Uint8Array(16 * codes.length)
    for (const [at, byte] of codes.entries()) rows.fill(byte, 16 * at, 16 * (at + 1))
    expect(widenTrits(rows, 80, wide)).toBe(true)
    const wanted = [...codes].flatMap((byte) => Array.from({ length: 80 }, (_, i) => (Math.floor(byte / 3 ** (i % 5)) % 3) + 1))
    expect(fieldsIn(wide, 2)).toEqual(wanted)
  })

  it('leaves rows alone that are longer than a stage', () => {
    expect(widenTrits(new Uint8Array(80_000), 400_000, new Uint8Array(100_000))).toBe(false)
  })
})

describe('codes of bytes and blocks', () => {
  it('are turned around 128', () => {
    const bytes = bytesOf(70_001)
    expect([...flipSigns(bytes)]).toEqual([...bytes].map((byte) => byte ^ 0x80))
  })

  it('are taken out of Q8_0 blocks', () => {
    const blocks = bytesOf(34 * 4001)
    for (const flip of [0, 0x80] as const) {
      const codes = used(32 * 4001)
      splitQ8(blocks, flip, codes)
      const wanted = Array.from({ length: 32 * 4001 }, (_, i) => (blocks[34 * Math.floor(i / 32) + 2 + (i % 32)] ?? 0) ^ flip)
      expect([...codes]).toEqual(wanted)
    }
  })

  it('have halves before them, which are widened as everywhere, infinities and NaNs too', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, half) => half)
    const blocks = new Uint8Array(65_536 * 34)
    const view = new DataView(blocks.buffer)
    for (const half of halves) view.setUint16(half * 34, half, true)
    const found = new Uint32Array(splitQ8(blocks, 0, used(65_536 * 32)).buffer)
    const wanted = new Uint32Array(widenHalf(halves).buffer)
    expect(found.findIndex((bits, at) => bits !== wanted[at])).toBe(-1)
  })
})
