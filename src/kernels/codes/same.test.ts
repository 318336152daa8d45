import { describe, expect, it } from 'vitest'
import { widenHalf } from '../../core/float16.ts'
import { widenFields, widenTrits } from './make.ts'
import { sameBytes, sameFields, sameQ8, sameTrits } from './same.ts'

const bytesOf = (length: number, below = 256): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37 + 11 * (i >> 8) + 11) % below)

/** No bit of either may differ unseen: every one of short bytes, some of long ones. */
function seesEveryBit(bytes: Uint8Array, same: () => boolean): void {
  expect(same()).toBe(true)
  const step = bytes.length > 2000 ? 4099 : 1
  for (let bit = 0; bit < 8 * bytes.length; bit += step) {
    const right = bytes[bit >> 3] ?? 0
    bytes[bit >> 3] = right ^ (1 << (bit & 7))
    expect(same(), `bit ${bit}`).toBe(false)
    bytes[bit >> 3] = right
  }
}

describe('sameBytes', () => {
  it.each([1, 63, 64, 200, 70_001])('sees every bit of %i bytes', (length) => {
    const one = bytesOf(length)
    const other = one.slice()
    seesEveryBit(one, () => sameBytes(one, other))
    const turned = one.map((byte) => byte ^ 0x80)
    seesEveryBit(turned, () => sameBytes(turned, other, 0x80))
    expect(sameBytes(one, other.subarray(1))).toBe(false)
  })

  it('takes nothing for the same as nothing', () => expect(sameBytes(new Uint8Array(), new Uint8Array())).toBe(true))
})

describe('sameQ8', () => {
  it.each([1, 2, 5, 4001])('sees every bit of %i blocks', (count) => {
    const blocks = bytesOf(34 * count)
    const codes = new Uint8Array(32 * count)
    const halves = new Uint16Array(count)
    for (let block = 0; block < count; block++) {
      for (let i = 0; i < 32; i++) codes[32 * block + i] = (blocks[34 * block + 2 + i] ?? 0) ^ 0x80
      halves[block] = (blocks[34 * block] ?? 0) + 256 * (blocks[34 * block + 1] ?? 0)
    }
    const bits = new Uint32Array(widenHalf(halves).buffer)
    for (const runs of [1, 4]) {
      // As bits, since those of NaNs may be lost where floats are copied one by one.
      const repeated = Uint32Array.from({ length: runs * count }, (_, i) => bits[Math.floor(i / runs)] ?? 0)
      const scales = new Float32Array(repeated.buffer)
      for (const bytes of [codes, new Uint8Array(repeated.buffer), blocks]) {
        seesEveryBit(bytes, () => sameQ8({ codes, scales, runs }, blocks, 0x80))
      }
      expect(sameQ8({ codes, scales, runs: 2 }, blocks, 0x80)).toBe(false)
      expect(sameQ8({ codes, scales, runs }, blocks, 0)).toBe(false)
      expect(sameQ8({ codes: codes.subarray(1), scales, runs }, blocks, 0x80)).toBe(false)
      expect(sameQ8({ codes, scales, runs }, blocks.subarray(1), 0x80)).toBe(false)
    }
  })

  it('knows every half', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, half) => half)
    const blocks = new Uint8Array(65_536 * 34)
    const view = new DataView(blocks.buffer)
    for (const half of halves) view.setUint16(half * 34, half, true)
    expect(sameQ8({ codes: new Uint8Array(65_536 * 32), scales: widenHalf(halves), runs: 1 }, blocks, 0)).toBe(true)
  })
})

describe('sameFields', () => {
  const widths = [
    { from: 1, to: 2, factor: 2, shift: 1 },
    { from: 3, to: 4, factor: 1, shift: 4 },
    { from: 3, to: 4, factor: 1, shift: 0 },
    { from: 5, to: 8, factor: 1, shift: 112 },
    { from: 6, to: 8, factor: 1, shift: 96 },
    { from: 7, to: 8, factor: 1, shift: 64 },
    { from: 7, to: 8, factor: 1, shift: 0 },
  ] as const
  const counts = [8, 16, 24, 512, 150_008]
  it.each(widths.flatMap((widening) => counts.map((count) => ({ ...widening, count }))))('$from bits in $to, $count codes', (each) => {
    const { from: to, to: bits, factor, shift: moved, count } = each
    const filled = 16 * Math.ceil(count / 16)
    const codes = bytesOf((filled * to) / 8)
    const all = new Uint8Array((filled * bits) / 8)
    widenFields(codes, each, all)
    const wide = all.slice(0, (count * bits) / 8)
    const stored = codes.slice(0, (count * to) / 8)
    seesEveryBit(wide, () => sameFields(wide, stored, { bits, moved, factor, to }))
    seesEveryBit(stored, () => sameFields(wide, stored, { bits, moved, factor, to }))
  })
})

describe('sameTrits', () => {
  it.each([16, 80, 96, 512, 2048])('sees every bit of rows of %i', (columns) => {
    const rows = columns === 2048 ? 200 : 3
    const rowBytes = Math.ceil(columns / 5)
    const codes = bytesOf(rows * rowBytes, 3 ** 5)
    // What fills the last byte of a row up is 0.
    const last = 3 ** (columns % 5 === 0 ? 5 : columns % 5)
    for (let at = rowBytes - 1; at < codes.length; at += rowBytes) codes[at] = (codes[at] ?? 0) % last
    const wide = new Uint8Array((rows * columns) / 4)
    expect(widenTrits(codes, columns, wide)).toBe(true)
    seesEveryBit(wide, () => sameTrits(wide, codes, columns))
    seesEveryBit(codes, () => sameTrits(wide, codes, columns))
  })

  it('compares no rows that are longer than a stage', () => {
    expect(sameTrits(new Uint8Array(100_000), new Uint8Array(80_000), 400_000)).toBe(false)
  })
})
