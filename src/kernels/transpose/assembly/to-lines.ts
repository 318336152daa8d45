// Rows into lines across them: what writes files. Nothing of it is used to read them (`to-rows.ts`).
//
// Lines lie pages apart, often by a power of two: few of them fit in the cache together. So what some rows have in some lines is put
// together in a block first and goes to each line as whole lines of the cache.

/** Columns of a block: 16 bytes of a row of nibbles. */
const COLUMNS: i32 = 32
/** Bytes of a line in a block, and the rows of nibbles in them. */
const WIDTH: i32 = 256
const ROWS: i32 = 512

const BLOCK: usize = memory.data(8192, 64)
/** Sixteen vectors to transpose. */
const EVEN: usize = memory.data(256, 16)
const ODD: usize = memory.data(256, 16)

@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
}

@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
}

/** Vectors i and i + 8 as one stream of bytes in turn, for all i: four times that is the transpose of 16 x 16 bytes. */
@inline
function interleave(from: usize, to: usize, stride: usize): void {
  const a0 = v128.load(from)
  const a1 = v128.load(from, 16)
  const a2 = v128.load(from, 32)
  const a3 = v128.load(from, 48)
  const a4 = v128.load(from, 64)
  const a5 = v128.load(from, 80)
  const a6 = v128.load(from, 96)
  const a7 = v128.load(from, 112)
  const b0 = v128.load(from, 128)
  const b1 = v128.load(from, 144)
  const b2 = v128.load(from, 160)
  const b3 = v128.load(from, 176)
  const b4 = v128.load(from, 192)
  const b5 = v128.load(from, 208)
  const b6 = v128.load(from, 224)
  const b7 = v128.load(from, 240)
  v128.store(to, low(a0, b0))
  v128.store(to + stride, high(a0, b0))
  v128.store(to + 2 * stride, low(a1, b1))
  v128.store(to + 3 * stride, high(a1, b1))
  v128.store(to + 4 * stride, low(a2, b2))
  v128.store(to + 5 * stride, high(a2, b2))
  v128.store(to + 6 * stride, low(a3, b3))
  v128.store(to + 7 * stride, high(a3, b3))
  v128.store(to + 8 * stride, low(a4, b4))
  v128.store(to + 9 * stride, high(a4, b4))
  v128.store(to + 10 * stride, low(a5, b5))
  v128.store(to + 11 * stride, high(a5, b5))
  v128.store(to + 12 * stride, low(a6, b6))
  v128.store(to + 13 * stride, high(a6, b6))
  v128.store(to + 14 * stride, low(a7, b7))
  v128.store(to + 15 * stride, high(a7, b7))
}

/** Sixteen vectors of bytes become the vectors across them, `stride` bytes apart. Once in the module: a call costs less than it does. */
function transpose(from: usize, to: usize, stride: usize): void {
  interleave(from, from, 16)
  interleave(from, from, 16)
  interleave(from, from, 16)
  interleave(from, to, stride)
}

/** The codes of two rows side by side, by column: of columns 0, 2, 4 ... to EVEN, of columns 1, 3, 5 ... to ODD. */
@inline
function pair(at: usize, one: usize, other: usize): void {
  const p = v128.load(one)
  const q = v128.load(other)
  const lows = i8x16.splat(15)
  v128.store(EVEN + at, v128.or(v128.and(p, lows), i8x16.shl(q, 4)))
  v128.store(ODD + at, v128.or(i8x16.shr_u(p, 4), v128.andnot(q, lows)))
}

/** Bytes of a line, whole vectors as far as there are any. */
@inline
function copy(from: usize, to: usize, bytes: usize): void {
  let at: usize = 0
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at))
  for (; at + 4 <= bytes; at += 4) store<u32>(to + at, load<u32>(from + at))
  for (; at < bytes; at++) store<u8>(to + at, load<u8>(from + at))
}

/**
 * Rows of nibbles, `stride` bytes apart, two columns a byte, to lines of a nibble a row: of each eight rows the even ones and then
 * the odd ones, as AWQ has them. Line `column` of [first, last) lies at `to + (column - first) * lineBytes`; `count` rows, a
 * multiple of eight.
 */
export function nibblesToLines(from: usize, stride: usize, count: i32, first: i32, last: i32, to: usize, lineBytes: usize): void {
  for (let row = 0; row < count; row += ROWS) {
    const rows = min(ROWS, count - row)
    for (let column = first & ~1; column < last; column += COLUMNS) {
      let at = from + <usize>row * stride + <usize>(column >> 1)
      for (let group = 0; group < rows; group += 32, at += 32 * stride) {
        for (let word: usize = 0; word < 4; word++) {
          const top = at + 8 * word * stride
          pair(64 * word, top, top + 2 * stride)
          pair(64 * word + 16, top + 4 * stride, top + 6 * stride)
          pair(64 * word + 32, top + stride, top + 3 * stride)
          pair(64 * word + 48, top + 5 * stride, top + 7 * stride)
        }
        const block = BLOCK + <usize>(group >> 1)
        transpose(EVEN, block, 2 * WIDTH)
        transpose(ODD, block + WIDTH, 2 * WIDTH)
      }
      const end = min(last, column + COLUMNS)
      for (let line = max(first, column); line < end; line++) {
        const place = to + <usize>(line - first) * lineBytes + <usize>(row >> 1)
        copy(BLOCK + <usize>(line - column) * WIDTH, place, <usize>(rows >> 1))
      }
    }
  }
}

/** As `nibblesToLines` for words of 32 bits, which stay as they are: four rows and four columns at a time. */
export function wordsToLines(from: usize, stride: usize, count: i32, first: i32, last: i32, to: usize, lineBytes: usize): void {
  let column = first
  for (; column + 4 <= last; column += 4) {
    const lines = to + <usize>(column - first) * lineBytes
    let at = from + (<usize>column << 2)
    let row = 0
    for (; row + 4 <= count; row += 4, at += 4 * stride) {
      const a = v128.load(at)
      const b = v128.load(at + stride)
      const c = v128.load(at + 2 * stride)
      const d = v128.load(at + 3 * stride)
      const abLow = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
      const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
      const cdLow = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
      const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
      const place = lines + (<usize>row << 2)
      v128.store(place, v128.shuffle<i64>(abLow, cdLow, 0, 2))
      v128.store(place + lineBytes, v128.shuffle<i64>(abLow, cdLow, 1, 3))
      v128.store(place + 2 * lineBytes, v128.shuffle<i64>(abHigh, cdHigh, 0, 2))
      v128.store(place + 3 * lineBytes, v128.shuffle<i64>(abHigh, cdHigh, 1, 3))
    }
    for (; row < count; row++, at += stride) {
      const place = lines + (<usize>row << 2)
      for (let line: usize = 0; line < 4; line++) store<u32>(place + line * lineBytes, load<u32>(at + (line << 2)))
    }
  }
  for (; column < last; column++) {
    let at = from + (<usize>column << 2)
    const line = to + <usize>(column - first) * lineBytes
    for (let row = 0; row < count; row++, at += stride) store<u32>(line + (<usize>row << 2), load<u32>(at))
  }
}

@inline
function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
}

@inline
function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
}

/** The halves nearest to four floats, ties to even, in 32 bits each; of a NaN the quiet one of its sign. */
@inline
function narrowFour(floats: v128): v128 {
  const sign = v128.and(i32x4.shr_u(floats, 16), i32x4.splat(0x8000))
  const magnitude = v128.and(floats, i32x4.splat(0x7fffffff))
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, odd), i32x4.splat(0xfff - 0x38000000)), 13)
  // Below 2^-14: adding 0.5 moves the last place of the half to that of the float.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000))
  let half = v128.bitselect(small, rounded, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)))
  half = v128.bitselect(i32x4.splat(0x7c00), half, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)))
  half = v128.bitselect(i32x4.splat(0x7e00), half, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)))
  return v128.or(sign, half)
}

@inline
function narrowEight(at: usize): v128 {
  return i16x8.narrow_i32x4_u(narrowFour(v128.load(at)), narrowFour(v128.load(at, 16)))
}

@inline
function storeHalf(to: usize, at: usize): void {
  store<u16>(to, <u16>i32x4.extract_lane(narrowFour(v128.load32_zero(at)), 0))
}

/** Eight rows of eight floats to eight lines. */
@inline
function halfSquare(at: usize, stride: usize, to: usize, lineBytes: usize): void {
  const a0 = narrowEight(at)
  const a1 = narrowEight(at + stride)
  const a2 = narrowEight(at + 2 * stride)
  const a3 = narrowEight(at + 3 * stride)
  const a4 = narrowEight(at + 4 * stride)
  const a5 = narrowEight(at + 5 * stride)
  const a6 = narrowEight(at + 6 * stride)
  const a7 = narrowEight(at + 7 * stride)
  // Vectors i and i + 4 as one stream in turn: three times that is the transpose.
  const b0 = lowHalves(a0, a4)
  const b1 = highHalves(a0, a4)
  const b2 = lowHalves(a1, a5)
  const b3 = highHalves(a1, a5)
  const b4 = lowHalves(a2, a6)
  const b5 = highHalves(a2, a6)
  const b6 = lowHalves(a3, a7)
  const b7 = highHalves(a3, a7)
  const c0 = lowHalves(b0, b4)
  const c1 = highHalves(b0, b4)
  const c2 = lowHalves(b1, b5)
  const c3 = highHalves(b1, b5)
  const c4 = lowHalves(b2, b6)
  const c5 = highHalves(b2, b6)
  const c6 = lowHalves(b3, b7)
  const c7 = highHalves(b3, b7)
  v128.store(to, lowHalves(c0, c4))
  v128.store(to + lineBytes, highHalves(c0, c4))
  v128.store(to + 2 * lineBytes, lowHalves(c1, c5))
  v128.store(to + 3 * lineBytes, highHalves(c1, c5))
  v128.store(to + 4 * lineBytes, lowHalves(c2, c6))
  v128.store(to + 5 * lineBytes, highHalves(c2, c6))
  v128.store(to + 6 * lineBytes, lowHalves(c3, c7))
  v128.store(to + 7 * lineBytes, highHalves(c3, c7))
}

/** As `wordsToLines` for floats of 32 bits to halves of 16, eight rows and eight columns at a time. */
export function floatsToHalfLines(from: usize, stride: usize, count: i32, first: i32, last: i32, to: usize, lineBytes: usize): void {
  const squared = count & ~7
  let column = first
  for (; column + 8 <= last; column += 8) {
    const lines = to + <usize>(column - first) * lineBytes
    let at = from + (<usize>column << 2)
    for (let row = 0; row < squared; row += 8, at += 8 * stride) halfSquare(at, stride, lines + (<usize>row << 1), lineBytes)
    for (let row = squared; row < count; row++, at += stride) {
      for (let line: usize = 0; line < 8; line++) storeHalf(lines + line * lineBytes + (<usize>row << 1), at + (line << 2))
    }
  }
  for (; column < last; column++) {
    const line = to + <usize>(column - first) * lineBytes
    let at = from + (<usize>column << 2)
    for (let row = 0; row < count; row++, at += stride) storeHalf(line + (<usize>row << 1), at)
  }
}

/** Rows of bytes that are looked at together. */
const FIELD_ROWS: i32 = 256

/** Bytes at the same place of eight rows, `stride` bytes apart. */
@inline
function eightRows(at: usize, stride: usize): v128 {
  let rows = v128.load8_splat(at)
  rows = v128.load_lane<u8>(at + stride, rows, 1)
  rows = v128.load_lane<u8>(at + 2 * stride, rows, 2)
  rows = v128.load_lane<u8>(at + 3 * stride, rows, 3)
  rows = v128.load_lane<u8>(at + 4 * stride, rows, 4)
  rows = v128.load_lane<u8>(at + 5 * stride, rows, 5)
  rows = v128.load_lane<u8>(at + 6 * stride, rows, 6)
  return v128.load_lane<u8>(at + 7 * stride, rows, 7)
}

/**
 * As `nibblesToLines` for bytes that become fields of `bits` bits, row after row, `less` subtracted and what is too large for a field
 * left out: a multiple of eight rows.
 */
export function bytesToFieldLines(
  from: usize,
  stride: usize,
  count: i32,
  first: i32,
  last: i32,
  to: usize,
  lineBytes: usize,
  bits: i32,
  less: i32,
): void {
  const ofOne: i32 = (1 << bits) - 1
  const ofTwo: i32 = (1 << (2 * bits)) - 1
  const ofFour: u64 = (<u64>1 << (4 * bits)) - 1
  const mask = i8x16.splat(<i8>ofOne)
  const taken = i8x16.splat(<i8>less)
  const ones = i16x8.splat(<i16>ofOne)
  const twos = i32x4.splat(ofTwo)
  for (let row = 0; row < count; row += FIELD_ROWS) {
    const end = min(count, row + FIELD_ROWS)
    for (let column = first; column < last; column++) {
      let place = to + <usize>(column - first) * lineBytes + <usize>((row * bits) >> 3)
      let at = from + <usize>row * stride + <usize>column
      for (let eight = row; eight < end; eight += 8, at += 8 * stride, place += bits) {
        const fields = v128.and(i8x16.sub(eightRows(at, stride), taken), mask)
        // Neighbours move together: bytes in words of 16 bits, then those in words of 32 and 64.
        const pairs = v128.or(v128.and(fields, ones), i16x8.shl(i16x8.shr_u(fields, 8), bits))
        const fours = v128.or(v128.and(pairs, twos), i32x4.shl(i32x4.shr_u(pairs, 16), 2 * bits))
        const both = <u64>i64x2.extract_lane(fours, 0)
        const line = (both & ofFour) | ((both >> 32) << (4 * bits))
        if (bits == 8) store<u64>(place, line)
        else if (bits == 4) store<u32>(place, <u32>line)
        else {
          store<u16>(place, <u16>line)
          if (bits == 3) store<u8>(place, <u8>(line >> 16), 2)
        }
      }
    }
  }
}

/** As `nibblesToLines` for bytes, any number of rows, `less` subtracted from each and wrapped: sixteen rows and columns at a time. */
export function bytesToLines(from: usize, stride: usize, count: i32, first: i32, last: i32, to: usize, lineBytes: usize, less: i32): void {
  const taken = i8x16.splat(<i8>less)
  for (let row = 0; row < count; row += WIDTH) {
    const rows = min(WIDTH, count - row)
    for (let column = first; column < last; column += COLUMNS) {
      let at = from + <usize>row * stride + <usize>column
      for (let group = 0; group < rows; group += 16, at += 16 * stride) {
        for (let each: usize = 0; each < 16; each++) {
          v128.store(EVEN + 16 * each, i8x16.sub(v128.load(at + each * stride), taken))
          v128.store(ODD + 16 * each, i8x16.sub(v128.load(at + each * stride, 16), taken))
        }
        transpose(EVEN, BLOCK + <usize>group, WIDTH)
        transpose(ODD, BLOCK + <usize>group + 16 * WIDTH, WIDTH)
      }
      const end = min(last, column + COLUMNS)
      for (let line = column; line < end; line++) {
        copy(BLOCK + <usize>(line - column) * WIDTH, to + <usize>(line - first) * lineBytes + <usize>row, <usize>rows)
      }
    }
  }
}
