import { signedWordsIn } from '../../core/words.ts'
import type { Scratch } from '../../io/scratch.ts'

/** Codes of `from` bits that become `factor * code + shift` in fields of `to` bits. */
export interface Widening {
  readonly from: number
  readonly to: number
  readonly factor: number
  readonly shift: number
}

/** The codes of a bit stream whose rows are whole blocks of 16 or more, in `memory`; `null` where there is no fast way. */
export function widenCodes(codes: Uint8Array, widening: Widening, memory: Scratch): Uint8Array<ArrayBuffer> | null {
  const { from, to, factor, shift } = widening
  const wide = (): Uint8Array<ArrayBuffer> => memory.take((codes.length * to) / from)
  if (from >= 5 && to === 8 && factor === 1) return widenToBytes(codes, { from, shift }, wide())
  if (from === 1 && to === 2) return widenBits(codes, tableOf(8, widening), wide())
  return from === 3 && to === 4 && codes.length % 3 === 0 ? widenTriples(codes, tableOf(12, widening), wide()) : null
}

/** Codes of 5 to 7 bits, four at a time. */
function widenToBytes(
  codes: Uint8Array,
  { from, shift }: Pick<Widening, 'from' | 'shift'>,
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const stream = filledWords(codes)
  const words = signedWordsIn(bytes)
  const shifts = shift * 0x01010101
  const [four, gap] = [4 * from, 8 - from]
  const first = (1 << from) - 1
  const second = first << from
  const third = second << from
  const fourth = third << from
  for (let i = 0, at = 0, held = 0, left = 0; i < words.length; i++) {
    let bits = held
    if (left < four) {
      held = stream[at++] ?? 0
      bits |= held << left
      held >>>= four - left
      left += 32
    } else held >>>= four
    left -= four
    words[i] = ((bits & first) | ((bits & second) << gap) | ((bits & third) << (2 * gap)) | ((bits & fourth) << (3 * gap))) + shifts
  }
  return bytes
}

/** Bytes as words, the last one filled up. */
function filledWords(bytes: Uint8Array): Int32Array {
  if (bytes.length % 4 === 0) return signedWordsIn(bytes)
  const filled = new Uint8Array(4 * Math.ceil(bytes.length / 4))
  filled.set(bytes)
  return signedWordsIn(filled)
}

/** A byte of eight codes becomes two bytes. */
function widenBits(codes: Uint8Array, table: Uint16Array, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const wide = new Uint16Array(bytes.buffer, bytes.byteOffset, codes.length)
  for (let i = 0; i < wide.length; i++) wide[i] = table[codes[i] ?? 0] ?? 0
  return bytes
}

/** Three bytes of eight codes become four. */
function widenTriples(codes: Uint8Array, table: Uint16Array, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const wide = signedWordsIn(bytes)
  for (let i = 0, at = 0; i < wide.length; i++, at += 3) {
    const eight = (codes[at] ?? 0) | ((codes[at + 1] ?? 0) << 8) | ((codes[at + 2] ?? 0) << 16)
    wide[i] = (table[eight & 0xfff] ?? 0) | ((table[eight >>> 12] ?? 0) << 16)
  }
  return bytes
}

/** Five codes of 0 to 2 a byte, in base 3, as fields of two bits with 1 added; rows of `columns`, a multiple of 16, fill words of the result. */
export function widenTrits(codes: Uint8Array, columns: number, memory: Scratch): Uint8Array<ArrayBuffer> {
  const rows = codes.length / Math.ceil(columns / 5)
  const bytes = memory.take((rows * columns) / 4)
  const words = signedWordsIn(bytes)
  const ten = (at: number): number => (fiveCodes[codes[at] ?? 0] ?? 0) | ((fiveCodes[codes[at + 1] ?? 0] ?? 0) << 10)
  for (let row = 0, from = 0, to = 0; row < rows; row++) {
    let left = columns
    // Sixteen bytes of eighty codes become five words.
    for (; left >= 80; left -= 80, from += 16, to += 5) {
      const [a, b, c, d] = [ten(from), ten(from + 2), ten(from + 4), ten(from + 6)]
      const [e, f, g, h] = [ten(from + 8), ten(from + 10), ten(from + 12), ten(from + 14)]
      words[to] = a | (b << 20)
      words[to + 1] = (b >>> 12) | (c << 8) | (d << 28)
      words[to + 2] = (d >>> 4) | (e << 16)
      words[to + 3] = (e >>> 16) | (f << 4) | (g << 24)
      words[to + 4] = (g >>> 8) | (h << 12)
    }
    for (let held = 0, count = 0; left > 0; left -= 5) {
      const five = fiveCodes[codes[from++] ?? 0] ?? 0
      const bits = 2 * Math.min(5, left)
      held |= five << count
      count += bits
      if (count < 32) continue
      words[to++] = held
      count -= 32
      held = five >>> (bits - count)
    }
  }
  return bytes
}

const fiveCodes = Uint16Array.from({ length: 3 ** 5 }, (_, byte) => {
  let wide = 0
  for (let i = 0; i < 5; i++) wide |= ((Math.floor(byte / 3 ** i) % 3) + 1) << (2 * i)
  return wide
})

const tables = new Map<string, Uint16Array>()

/** By `bits` bits of codes: the same codes in fields of `to` bits. */
function tableOf(bits: number, { from, to, factor, shift }: Widening): Uint16Array {
  const key = `${from} ${to} ${factor} ${shift}`
  const known = tables.get(key)
  if (known !== undefined) return known
  const table = Uint16Array.from({ length: 2 ** bits }, (_, codes) => {
    let wide = 0
    for (let i = 0; i < bits / from; i++) wide |= (factor * ((codes >>> (i * from)) & (2 ** from - 1)) + shift) << (i * to)
    return wide
  })
  tables.set(key, table)
  return table
}
