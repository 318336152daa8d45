import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { narrowToHalf, widenHalf } from '../../core/float16.ts'
import { LineMemory } from './line-memory.ts'

/** Output of a word's nibbles, least significant first: AWQ's order. */
const order = [0, 2, 4, 6, 1, 3, 5, 7]

const bytesOf = (length: number, seed: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, index) => (Math.imul(index + seed, 0x9e3779b1) >>> 13) & 255)

interface Sizes {
  /** All rows; the first, and how many, are turned. */
  readonly rows: number
  readonly rowStart: number
  readonly count: number
  readonly columns: number
  readonly first: number
  readonly last: number
}

/** Sizes with rows in multiples of `unit`; some long enough to be staged in pieces, some with more rows than are staged at once. */
function sizesOf(unit: number): fc.Arbitrary<Sizes> {
  const extents = fc.oneof(
    fc.record({ count: fc.integer({ min: 1, max: 20 }), columns: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ count: fc.integer({ min: 1, max: 3 }), columns: fc.integer({ min: 5000, max: unit === 1 ? 8000 : 40_000 }) }),
    // Pieces of rows that lie in the stage as far apart as the rows do.
    fc.record({ count: fc.constant(32 / unit), columns: fc.constant(unit === 1 ? 4096 : 32_768) }),
    fc.record({
      count: fc.integer({ min: Math.ceil(500 / unit), max: Math.floor(1200 / unit) }),
      columns: fc.integer({ min: 1, max: 40 }),
    }),
  )
  const places = fc.record({ before: fc.nat(2), after: fc.nat(2), one: fc.nat(), other: fc.nat() })
  return fc.tuple(extents, places).map(([{ count, columns }, { before, after, one, other }]) => {
    const [a, b] = [one % columns, other % columns]
    const all = before + count + after
    return {
      rows: unit * all,
      rowStart: unit * before,
      count: unit * count,
      columns,
      first: Math.min(a, b),
      last: Math.max(a, b) + 1,
    }
  })
}

const nibbleOf = (rows: Uint8Array, rowBytes: number, row: number, column: number): number =>
  ((rows[row * rowBytes + (column >> 1)] ?? 0) >> (4 * (column % 2))) & 15

/** Lines [first, last) of all rows, of which those that are not turned hold what `before` has. */
function nibbleLines(rows: Uint8Array, { rows: all, rowStart, count, columns, first, last }: Sizes, before: Uint8Array): Uint8Array {
  const [rowBytes, lineBytes] = [Math.ceil(columns / 2), all / 2]
  const lines = before.slice()
  for (let column = first; column < last; column++) {
    for (let row = 0; row < count; row += 8) {
      for (let byte = 0; byte < 4; byte++) {
        const [low, high] = [row + (order[2 * byte] ?? 0), row + (order[2 * byte + 1] ?? 0)]
        const pair = nibbleOf(rows, rowBytes, low, column) | (nibbleOf(rows, rowBytes, high, column) << 4)
        lines[(column - first) * lineBytes + (rowStart + row) / 2 + byte] = pair
      }
    }
  }
  return lines
}

/** As `nibbleLines`, of elements of `width` bytes. */
function wholeLines(
  rows: Uint8Array,
  width: number,
  { rows: all, rowStart, count, columns, first, last }: Sizes,
  before: Uint8Array,
): Uint8Array {
  const lines = before.slice()
  for (let column = first; column < last; column++) {
    for (let row = 0; row < count; row++) {
      const at = width * (row * columns + column)
      lines.set(rows.subarray(at, at + width), width * ((column - first) * all + rowStart + row))
    }
  }
  return lines
}

const fieldOf = (lines: Uint8Array, bit: number, bits: number): number =>
  (((lines[bit >> 3] ?? 0) | ((lines[(bit >> 3) + 1] ?? 0) << 8)) >> (bit & 7)) & (2 ** bits - 1)

const asBytes = ({ buffer, byteOffset, byteLength }: Uint16Array | Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

const asWords = ({ buffer, byteOffset, length }: Float32Array): Uint32Array => new Uint32Array(buffer, byteOffset, length)

/** Of every exponent and either sign, with infinities and NaNs. */
const floatsOf = (length: number, seed: number): Float32Array => new Float32Array(bytesOf(4 * length, seed).buffer)

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

describe('LineMemory', { timeout: 30_000 }, () => {
  const memory = new LineMemory()

  it('writes what rows of nibbles have in lines, and nothing else', () => {
    fc.assert(
      fc.property(sizesOf(8), fc.nat(1000), (sizes, seed) => {
        const rowBytes = Math.ceil(sizes.columns / 2)
        const [rows, lineBytes] = [bytesOf(sizes.count * rowBytes, seed), sizes.rows / 2]
        const bytes = memory.take((sizes.last - sizes.first) * lineBytes)
        bytes.set(bytesOf(bytes.length, seed + 1))
        const wanted = nibbleLines(rows, sizes, bytes)
        memory.nibblesToLines({ bytes: rows, rowBytes }, sizes.first, { bytes, lineBytes, at: sizes.rowStart / 2 })
        expect(same(bytes, wanted)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('reads rows of nibbles from lines, with a zero beside an odd last column', () => {
    fc.assert(
      fc.property(sizesOf(8), fc.nat(1000), (sizes, seed) => {
        const all = { ...sizes, first: 0, last: sizes.columns }
        const rowBytes = Math.ceil(sizes.columns / 2)
        const [rows, lineBytes] = [bytesOf(sizes.count * rowBytes, seed), sizes.rows / 2]
        if (sizes.columns % 2 === 1) for (let end = rowBytes - 1; end < rows.length; end += rowBytes) rows[end] = (rows[end] ?? 0) & 15
        const bytes = memory.take(sizes.columns * lineBytes)
        bytes.set(nibbleLines(rows, all, bytesOf(bytes.length, seed + 1)))
        const found = new Uint8Array(rows.length)
        memory.linesToNibbles({ bytes, lineBytes, at: sizes.rowStart / 2 }, { bytes: found, rowBytes })
        expect(same(found, rows)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('writes what rows of words have in lines, and nothing else', () => {
    fc.assert(
      fc.property(sizesOf(1), fc.nat(1000), (sizes, seed) => {
        const [rowBytes, lineBytes] = [4 * sizes.columns, 4 * sizes.rows]
        const rows = bytesOf(sizes.count * rowBytes, seed)
        const bytes = memory.take((sizes.last - sizes.first) * lineBytes)
        bytes.set(bytesOf(bytes.length, seed + 1))
        const wanted = wholeLines(rows, 4, sizes, bytes)
        memory.wordsToLines({ bytes: rows, rowBytes }, sizes.first, { bytes, lineBytes, at: 4 * sizes.rowStart })
        expect(same(bytes, wanted)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('reads rows of words from lines', () => {
    fc.assert(
      fc.property(sizesOf(1), fc.nat(1000), (sizes, seed) => {
        const [rowBytes, lineBytes] = [4 * sizes.columns, 4 * sizes.rows]
        const rows = bytesOf(sizes.count * rowBytes, seed)
        const bytes = memory.take(sizes.columns * lineBytes)
        bytes.set(wholeLines(rows, 4, { ...sizes, first: 0, last: sizes.columns }, bytesOf(bytes.length, seed + 1)))
        const found = new Uint8Array(rows.length)
        memory.linesToWords({ bytes, lineBytes, at: 4 * sizes.rowStart }, { bytes: found, rowBytes })
        expect(same(found, rows)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('writes floats of rows to lines as the nearest halves, and nothing else', () => {
    fc.assert(
      fc.property(sizesOf(1), fc.nat(1000), (sizes, seed) => {
        const rows = floatsOf(sizes.count * sizes.columns, seed)
        const bytes = memory.take((sizes.last - sizes.first) * 2 * sizes.rows)
        bytes.set(bytesOf(bytes.length, seed + 1))
        const wanted = wholeLines(asBytes(narrowToHalf(rows)), 2, sizes, bytes)
        const lines = { bytes, lineBytes: 2 * sizes.rows, at: 2 * sizes.rowStart }
        memory.floatsToHalfLines({ bytes: asBytes(rows), rowBytes: 4 * sizes.columns }, sizes.first, lines)
        expect(same(bytes, wanted)).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('reads floats of rows from lines of halves', () => {
    fc.assert(
      fc.property(sizesOf(1), fc.nat(1000), (sizes, seed) => {
        const halves = new Uint16Array(bytesOf(2 * sizes.count * sizes.columns, seed).buffer)
        const bytes = memory.take(sizes.columns * 2 * sizes.rows)
        bytes.set(wholeLines(asBytes(halves), 2, { ...sizes, first: 0, last: sizes.columns }, bytesOf(bytes.length, seed + 1)))
        const found = new Uint8Array(4 * halves.length)
        const lines = { bytes, lineBytes: 2 * sizes.rows, at: 2 * sizes.rowStart }
        memory.halfLinesToFloats(lines, { bytes: found, rowBytes: 4 * sizes.columns })
        expect(same(found, asBytes(widenHalf(halves)))).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  it('narrows to, and widens, every half', () => {
    // Each half, and floats at and beside the borders between two.
    const halves = Uint16Array.from({ length: 65_536 }, (_, bits) => bits)
    const floats = Uint32Array.from(asWords(widenHalf(halves)))
    const between = [...floats].flatMap((bits) => [bits + 0xfff, bits + 0x1000, bits + 0x1001, bits + 0x3000])
    const small = Uint32Array.from({ length: 4096 }, (_, at) => at * 0x4_0000)
    const values = new Float32Array(Uint32Array.from([...floats, ...between, ...small]).buffer)
    const bytes = memory.take(2 * values.length)
    memory.floatsToHalfLines({ bytes: asBytes(values), rowBytes: 4 }, 0, { bytes, lineBytes: bytes.length, at: 0 })
    expect(same(bytes, asBytes(narrowToHalf(values)))).toBe(true)
    const lines = memory.take(2 * halves.length)
    lines.set(asBytes(halves))
    const found = new Uint8Array(4 * halves.length)
    memory.halfLinesToFloats({ bytes: lines, lineBytes: lines.length, at: 0 }, { bytes: found, rowBytes: 4 })
    expect(same(found, asBytes(widenHalf(halves)))).toBe(true)
  })

  it('writes bytes of rows to lines of fields and nothing else, and reads them back', () => {
    fc.assert(
      fc.property(sizesOf(8), fc.constantFrom(2, 3, 4, 8), fc.nat(1), fc.nat(1000), (sizes, bits, less, seed) => {
        const { rows: all, rowStart, count, columns, first, last } = sizes
        const mask = 2 ** bits - 1
        const rows = bytesOf(count * columns, seed).map((byte) => byte & mask)
        const lineBytes = (all * bits) / 8
        const bytes = memory.take((last - first) * lineBytes)
        bytes.set(bytesOf(bytes.length, seed + 1))
        const before = bytes.slice()
        const lines = { bytes, lineBytes, at: (rowStart * bits) / 8 }
        memory.bytesToFieldLines({ bytes: rows, rowBytes: columns }, first, lines, { bits, less })
        const wanted = (row: number, line: number): number => {
          const isGiven = row >= rowStart && row < rowStart + count
          if (!isGiven) return fieldOf(before.subarray(line * lineBytes), row * bits, bits)
          return ((rows[(row - rowStart) * columns + first + line] ?? 0) - less) & mask
        }
        for (let line = 0; line < last - first; line++) {
          const own = bytes.subarray(line * lineBytes, (line + 1) * lineBytes)
          for (let row = 0; row < all; row++) if (fieldOf(own, row * bits, bits) !== wanted(row, line)) expect([line, row]).toBe('equal')
        }
        const found = new Uint8Array(count * (last - first))
        memory.fieldLinesToBytes(lines, { bytes: found, rowBytes: last - first }, { bits, more: less })
        const back = Uint8Array.from(found, (_, at) => {
          const [row, line] = [Math.floor(at / (last - first)), at % (last - first)]
          return rows[row * columns + first + line] ?? 0
        })
        expect(same(found, back)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('writes bytes to lines, less a number, and reads them back as they are', () => {
    fc.assert(
      fc.property(sizesOf(1), fc.constantFrom(0, 128), fc.nat(1000), (sizes, less, seed) => {
        const { rows: all, rowStart, count, columns } = sizes
        const rows = bytesOf(count * columns, seed)
        const bytes = memory.take((sizes.last - sizes.first) * all)
        bytes.set(bytesOf(bytes.length, seed + 1))
        const lowered = rows.map((byte) => byte - less)
        const wanted = wholeLines(lowered, 1, sizes, bytes)
        const lines = { bytes, lineBytes: all, at: rowStart }
        memory.bytesToLines({ bytes: rows, rowBytes: columns }, sizes.first, lines, less)
        expect(same(bytes, wanted)).toBe(true)
        const whole = memory.take(columns * all)
        whole.set(wholeLines(lowered, 1, { ...sizes, first: 0, last: columns }, whole))
        const found = new Uint8Array(rows.length)
        memory.linesToBytes({ ...lines, bytes: whole }, { bytes: found, rowBytes: columns })
        expect(same(found, lowered)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('turns only lines in its own memory', () => {
    const rows = { bytes: new Uint8Array(8), rowBytes: 1 }
    expect(() => memory.nibblesToLines(rows, 0, { bytes: new Uint8Array(8), lineBytes: 4, at: 0 })).toThrow(RangeError)
    expect(() => new LineMemory().linesToNibbles({ bytes: memory.take(8), lineBytes: 4, at: 0 }, rows)).toThrow(RangeError)
  })
})
