// Lines as the rows across them: what reads files. Nothing of it is used to write them (`to-lines.ts`), so that each proves the other.

/** Columns that are turned at a time: 16 bytes of a row of nibbles. */
const COLUMNS: i32 = 32
/** Bytes of a line that are looked at together, and the rows of nibbles in them. */
const WIDTH: i32 = 256
const ROWS: i32 = 512

/** Of 32 lines, one behind the other: where they lie, pages apart, the cache has few places for them. */
const BLOCK: usize = memory.data(8192, 64)
/** Codes of two columns a byte, sixteen times two columns, of the rows of low nibbles and of those of high ones. */
const LOWS: usize = memory.data(256, 16)
const HIGHS: usize = memory.data(256, 16)

/** Words of a line that are gathered at a time. */
const GATHERED: i32 = 64

/** Bytes at the same place of two vectors side by side: of places 0 to 7. */
@inline
function front(at: usize): v128 {
  return v128.shuffle<i8>(v128.load(at), v128.load(at, 16), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

/** As `front`, of places 8 to 15. */
@inline
function back(at: usize): v128 {
  return v128.shuffle<i8>(v128.load(at), v128.load(at, 16), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

/** Four rows from four vectors of four columns each: the second one `odd` bytes behind the first, the third one `two`. */
@inline
function fourRows(a: v128, b: v128, c: v128, d: v128, to: usize, odd: usize, two: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2))
  v128.store(to + odd, v128.shuffle<i64>(ab, cd, 1, 3))
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
  const gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(to + two, v128.shuffle<i64>(ef, gh, 0, 2))
  v128.store(to + two + odd, v128.shuffle<i64>(ef, gh, 1, 3))
}

/** Eight rows from eight vectors of pairs: the second four `four` bytes behind the first. */
@inline
function eightRows(
  p0: v128,
  p1: v128,
  p2: v128,
  p3: v128,
  p4: v128,
  p5: v128,
  p6: v128,
  p7: v128,
  to: usize,
  odd: usize,
  two: usize,
  four: usize,
): void {
  fourRows(
    v128.shuffle<i16>(p0, p1, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(p2, p3, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(p4, p5, 0, 8, 1, 9, 2, 10, 3, 11),
    v128.shuffle<i16>(p6, p7, 0, 8, 1, 9, 2, 10, 3, 11),
    to,
    odd,
    two,
  )
  fourRows(
    v128.shuffle<i16>(p0, p1, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(p2, p3, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(p4, p5, 4, 12, 5, 13, 6, 14, 7, 15),
    v128.shuffle<i16>(p6, p7, 4, 12, 5, 13, 6, 14, 7, 15),
    to + four,
    odd,
    two,
  )
}

/**
 * Sixteen rows from sixteen vectors of columns; how many bytes lie between the first one and the second, third and fifth. Once in the
 * module: a call costs less than it does.
 */
function sixteenRows(v: usize, to: usize, odd: usize, two: usize, four: usize): void {
  const w = v + 128
  eightRows(front(v), front(v + 32), front(v + 64), front(v + 96), front(w), front(w + 32), front(w + 64), front(w + 96), to, odd, two, four)
  const below = to + 2 * four
  eightRows(back(v), back(v + 32), back(v + 64), back(v + 96), back(w), back(w + 32), back(w + 64), back(w + 96), below, odd, two, four)
}

/** `bytes` of each of some lines to BLOCK. */
@inline
function gatherLines(from: usize, lineBytes: usize, lines: i32, bytes: i32): void {
  let place = from
  for (let line = 0; line < lines; line++, place += lineBytes) {
    const block = BLOCK + <usize>line * WIDTH
    for (let at: usize = 0; at < <usize>bytes; at += 16) v128.store(block + at, v128.load(place + at))
  }
}

/**
 * Lines of a nibble a row, as `nibblesToLines` describes them, to rows of nibbles, `stride` bytes apart. Line `column` of [0, columns)
 * lies at `from + column * lineBytes`; an odd last column has a zero beside it. Writes as many rows as make whole vectors of lines, a
 * multiple of 32, and bytes of each to a multiple of 16.
 */
export function linesToNibbles(from: usize, lineBytes: usize, columns: i32, count: i32, to: usize, stride: usize): void {
  for (let row = 0; row < count; row += ROWS) {
    const bytes = min(WIDTH, (count - row) >> 1)
    for (let column = 0; column < columns; column += COLUMNS) {
      const lines = min(COLUMNS, columns - column)
      gatherLines(from + <usize>column * lineBytes + <usize>(row >> 1), lineBytes, lines, bytes)
      if (lines < COLUMNS) memory.fill(BLOCK + <usize>lines * WIDTH, 0, <usize>(COLUMNS - lines) * WIDTH)
      let into = to + <usize>row * stride + <usize>(column >> 1)
      for (let at = 0; at < bytes; at += 16, into += 32 * stride) {
        const lows = i8x16.splat(15)
        for (let each: usize = 0; each < 16; each++) {
          const block = BLOCK + <usize>at + 2 * each * WIDTH
          const one = v128.load(block)
          const next = v128.load(block + WIDTH)
          v128.store(LOWS + 16 * each, v128.bitselect(one, i8x16.shl(next, 4), lows))
          v128.store(HIGHS + 16 * each, v128.bitselect(i8x16.shr_u(one, 4), next, lows))
        }
        // Rows come in the order in which their codes lie in a word: 0, 4, 1, 5.
        sixteenRows(LOWS, into, 4 * stride, stride, 8 * stride)
        sixteenRows(HIGHS, into + 2 * stride, 4 * stride, stride, 8 * stride)
      }
    }
  }
}

/**
 * Lines of a word a row to rows of words, `stride` bytes apart, four lines at a time. Line `column` of [0, columns) lies at
 * `from + column * lineBytes`. Writes bytes of each row to a multiple of 16.
 */
export function linesToWords(from: usize, lineBytes: usize, columns: i32, count: i32, to: usize, stride: usize): void {
  for (let row = 0; row < count; row += GATHERED) {
    const end = from + (<usize>min(count, row + GATHERED) << 2)
    for (let column = 0; column < columns; column += 4) {
      const last = columns - 1 - column
      let at = from + (<usize>row << 2) + <usize>column * lineBytes
      const stop = end + <usize>column * lineBytes
      const second = <usize>min(1, last) * lineBytes
      const third = <usize>min(2, last) * lineBytes
      const fourth = <usize>min(3, last) * lineBytes
      let into = to + <usize>row * stride + (<usize>column << 2)
      for (; at < stop; at += 4, into += stride) {
        let words = v128.load32_zero(at)
        words = v128.load_lane<u32>(at + second, words, 1)
        words = v128.load_lane<u32>(at + third, words, 2)
        words = v128.load_lane<u32>(at + fourth, words, 3)
        v128.store(into, words)
      }
    }
  }
}

/** Halves, in 32 bits each, as floats. */
@inline
function widenFour(halves: v128): v128 {
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16)
  const magnitude = v128.and(halves, i32x4.splat(0x7fff))
  const exponent = v128.and(magnitude, i32x4.splat(0x7c00))
  const shifted = i32x4.shl(magnitude, 13)
  // Infinities and NaNs have the largest exponent in both.
  const lift = v128.bitselect(i32x4.splat(0x70000000), i32x4.splat(0x38000000), i32x4.eq(exponent, i32x4.splat(0x7c00)))
  const small = f32x4.mul(f32x4.convert_i32x4_s(magnitude), f32x4.splat(5.9604644775390625e-8))
  return v128.or(sign, v128.bitselect(small, i32x4.add(shifted, lift), i32x4.eq(exponent, i32x4.splat(0))))
}

/** As `linesToWords` for halves of 16 bits to floats of 32, eight lines at a time; writes bytes of each row to a multiple of 32. */
export function halfLinesToFloats(from: usize, lineBytes: usize, columns: i32, count: i32, to: usize, stride: usize): void {
  for (let row = 0; row < count; row += GATHERED) {
    const rows = min(GATHERED, count - row)
    for (let column = 0; column < columns; column += 8) {
      const last = columns - 1 - column
      let at = from + (<usize>row << 1) + <usize>column * lineBytes
      const stop = at + (<usize>rows << 1)
      const second = <usize>min(1, last) * lineBytes
      const third = <usize>min(2, last) * lineBytes
      const fourth = <usize>min(3, last) * lineBytes
      const fifth = <usize>min(4, last) * lineBytes
      const sixth = <usize>min(5, last) * lineBytes
      const seventh = <usize>min(6, last) * lineBytes
      const eighth = <usize>min(7, last) * lineBytes
      let into = to + <usize>row * stride + (<usize>column << 2)
      for (; at < stop; at += 2, into += stride) {
        let halves = i16x8.splat(0)
        halves = v128.load_lane<u16>(at, halves, 0)
        halves = v128.load_lane<u16>(at + second, halves, 1)
        halves = v128.load_lane<u16>(at + third, halves, 2)
        halves = v128.load_lane<u16>(at + fourth, halves, 3)
        halves = v128.load_lane<u16>(at + fifth, halves, 4)
        halves = v128.load_lane<u16>(at + sixth, halves, 5)
        halves = v128.load_lane<u16>(at + seventh, halves, 6)
        halves = v128.load_lane<u16>(at + eighth, halves, 7)
        v128.store(into, widenFour(i32x4.extend_low_i16x8_u(halves)))
        v128.store(into, widenFour(i32x4.extend_high_i16x8_u(halves)), 16)
      }
    }
  }
}

/** By row of eight and width, 2, 3, 4 and 8 bits: the byte in which its field begins and the one behind it. */
const PLACES: usize = memory.data<u8>(
  [
    0, 1, 0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 1, 2,
    0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 2, 3, 2, 3,
    0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 2, 3, 3, 4, 3, 4,
    0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8,
  ],
  16,
)
/** And two to the power of what is missing before the field begins with the second of them. */
const LIFTS: usize = memory.data<u16>(
  [
    256, 64, 16, 4, 256, 64, 16, 4,
    256, 32, 4, 128, 16, 2, 64, 8,
    256, 16, 256, 16, 256, 16, 256, 16,
    256, 256, 256, 256, 256, 256, 256, 256,
  ],
  16,
)

/**
 * Lines of fields of 2, 3, 4 or 8 bits, row after row, to rows of a byte each, `more` added within the bits of a field. Writes
 * rows to a multiple of eight; up to 22 bytes past the end of a line are read.
 */
export function fieldLinesToBytes(
  from: usize,
  lineBytes: usize,
  columns: i32,
  count: i32,
  to: usize,
  stride: usize,
  bits: i32,
  more: i32,
): void {
  const width: usize = bits == 8 ? 3 : <usize>bits - 2
  const places = v128.load(PLACES + 16 * width)
  const lifts = v128.load(LIFTS + 16 * width)
  const largest = (1 << bits) - 1
  const mask = i16x8.splat(<i16>largest)
  const added = i16x8.splat(<i16>more)
  for (let row = 0; row < count; row += GATHERED) {
    const end = min(count, row + GATHERED)
    for (let column = 0; column < columns; column++) {
      let at = from + <usize>column * lineBytes + <usize>((row * bits) >> 3)
      let into = to + <usize>row * stride + <usize>column
      for (let eight = row; eight < end; eight += 8, at += bits, into += 8 * stride) {
        const lifted = i16x8.mul(i8x16.swizzle(v128.load(at), places), lifts)
        const fields = v128.and(i16x8.add(v128.and(i16x8.shr_u(lifted, 8), mask), added), mask)
        v128.store_lane<u8>(into, fields, 0)
        v128.store_lane<u8>(into + stride, fields, 2)
        v128.store_lane<u8>(into + 2 * stride, fields, 4)
        v128.store_lane<u8>(into + 3 * stride, fields, 6)
        v128.store_lane<u8>(into + 4 * stride, fields, 8)
        v128.store_lane<u8>(into + 5 * stride, fields, 10)
        v128.store_lane<u8>(into + 6 * stride, fields, 12)
        v128.store_lane<u8>(into + 7 * stride, fields, 14)
      }
    }
  }
}

/**
 * Lines of a byte a row to rows of bytes, sixteen rows and columns at a time. Writes rows, and bytes of each, to a multiple of 16.
 */
export function linesToBytes(from: usize, lineBytes: usize, columns: i32, count: i32, to: usize, stride: usize): void {
  for (let row = 0; row < count; row += WIDTH) {
    const bytes = min(WIDTH, count - row)
    for (let column = 0; column < columns; column += COLUMNS) {
      const lines = min(COLUMNS, columns - column)
      gatherLines(from + <usize>column * lineBytes + <usize>row, lineBytes, lines, bytes)
      for (let half = 0; half < lines; half += 16) {
        let into = to + <usize>row * stride + <usize>(column + half)
        for (let at = 0; at < bytes; at += 16, into += 16 * stride) {
          const block = BLOCK + <usize>half * WIDTH + <usize>at
          for (let each: usize = 0; each < 16; each++) v128.store(LOWS + 16 * each, v128.load(block + each * WIDTH))
          sixteenRows(LOWS, into, stride, 2 * stride, 4 * stride)
        }
      }
    }
  }
}
