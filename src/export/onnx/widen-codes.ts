/** Codes of `from` bits that become `factor * code + shift` in fields of `to` bits. */
export interface Widening {
  readonly from: number
  readonly to: number
  readonly factor: number
  readonly shift: number
}

/** The codes of a bit stream whose rows are whole blocks of 16 or more; `null` where there is no fast way. */
export function widenCodes(codes: Uint8Array, widening: Widening): Uint8Array<ArrayBuffer> | null {
  const { from, to, factor, shift } = widening
  if (from >= 5 && to === 8 && factor === 1) return widenToBytes(codes, from, shift)
  if (from === 1 && to === 2) return widenBits(codes, tableOf(8, widening))
  return from === 3 && to === 4 && codes.length % 3 === 0 ? widenTriples(codes, tableOf(12, widening)) : null
}

/** `from` bytes of eight codes, of 5 to 7 bits, become eight: four codes are the low bits of the first four bytes, four the high ones of the last. */
function widenToBytes(codes: Uint8Array, from: number, shift: number): Uint8Array<ArrayBuffer> {
  const words = new Int32Array((codes.length / from) * 2)
  const shifts = shift * 0x01010101
  const gap = 8 - from
  const first = (1 << from) - 1
  const second = first << from
  const third = second << from
  const fourth = third << from
  for (let i = 0, end = from; i < words.length; i += 2, end += from) {
    words[i] = wordAt(codes, end - from)
    words[i + 1] = wordAt(codes, end - 4) >>> (32 - 4 * from)
  }
  for (let i = 0; i < words.length; i++) {
    const four = words[i] ?? 0
    words[i] = ((four & first) | ((four & second) << gap) | ((four & third) << (2 * gap)) | ((four & fourth) << (3 * gap))) + shifts
  }
  return new Uint8Array(words.buffer)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
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
    let left = columns
    // Four bytes of twenty codes become five.
    for (; left >= 20; left -= 20, from += 4, to += 5) {
      const [one, two] = [fiveCodes[codes[from] ?? 0] ?? 0, fiveCodes[codes[from + 1] ?? 0] ?? 0]
      const [three, four] = [fiveCodes[codes[from + 2] ?? 0] ?? 0, fiveCodes[codes[from + 3] ?? 0] ?? 0]
      wide[to] = one
      wide[to + 1] = (one >>> 8) | (two << 2)
      wide[to + 2] = (two >>> 6) | (three << 4)
      wide[to + 3] = (three >>> 4) | (four << 6)
      wide[to + 4] = four >>> 2
    }
    let held = 0
    let count = 0
    for (; left > 0; left -= 5) {
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
