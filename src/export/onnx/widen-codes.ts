import { unpackRow } from '../code-rows.ts'

/** Codes of `from` bits that become `factor * code + shift` in fields of `to` bits. */
export interface Widening {
  readonly from: number
  readonly to: number
  readonly factor: number
  readonly shift: number
}

/** The codes of a bit stream whose rows fill bytes and, of 3 bits, groups of three; `null` where there is no fast way. */
export function widenCodes(codes: Uint8Array, widening: Widening): Uint8Array<ArrayBuffer> | null {
  const { from, to, factor, shift } = widening
  if (to === 8 && factor === 1) return widenToBytes(codes, from, shift)
  if (from === 1 && to === 2) return widenBits(codes, tableOf(8, widening))
  return from === 3 && to === 4 && codes.length % 3 === 0 ? widenTriples(codes, tableOf(12, widening)) : null
}

function widenToBytes(codes: Uint8Array, from: number, shift: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((codes.length * 8) / from)
  unpackRow(codes, { at: 0, bits: from, columns: bytes.length }, bytes)
  if (shift !== 0) for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) + shift
  return bytes
}

/** A byte of eight codes becomes two bytes. */
function widenBits(codes: Uint8Array, table: Uint16Array): Uint8Array<ArrayBuffer> {
  const wide = new Uint16Array(codes.length)
  for (let i = 0; i < wide.length; i++) wide[i] = table[codes[i] ?? 0] ?? 0
  return new Uint8Array(wide.buffer)
}

/** Three bytes of eight codes become four. */
function widenTriples(codes: Uint8Array, table: Uint16Array): Uint8Array<ArrayBuffer> {
  const wide = new Uint32Array(codes.length / 3)
  for (let i = 0, at = 0; i < wide.length; i++, at += 3) {
    const eight = (codes[at] ?? 0) | ((codes[at + 1] ?? 0) << 8) | ((codes[at + 2] ?? 0) << 16)
    wide[i] = (table[eight & 0xfff] ?? 0) | ((table[eight >>> 12] ?? 0) << 16)
  }
  return new Uint8Array(wide.buffer)
}

/** Five codes of 0 to 2 a byte, in base 3, as fields of two bits with 1 added; rows of `columns` fill bytes of the result. */
export function widenTrits(codes: Uint8Array, columns: number): Uint8Array<ArrayBuffer> {
  const rowBytes = Math.ceil(columns / 5)
  const rows = codes.length / rowBytes
  const wide = new Uint8Array((rows * columns) / 4)
  for (let row = 0, from = 0, to = 0; row < rows; row++) {
    let held = 0
    let count = 0
    for (let left = columns; left > 0; left -= 5) {
      held |= (fiveCodes[codes[from++] ?? 0] ?? 0) << count
      count += 2 * Math.min(5, left)
      for (; count >= 8; count -= 8, held >>>= 8) wide[to++] = held
    }
  }
  return wide
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
