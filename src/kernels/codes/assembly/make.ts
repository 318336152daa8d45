// Stored codes as files have them: what writes files. Nothing of it is used to prove them (`compare.ts`).

/** A half as the bits of a float. */
@inline
function widen(half: i32): i32 {
  const sign = (half & 0x8000) << 16
  const magnitude = (half & 0x7fff) << 13
  // An infinity or NaN keeps its mantissa; all others are multiplied by a power of two, also those below the normal ones.
  if ((half & 0x7c00) == 0x7c00) return sign | magnitude | 0x7f800000
  return sign | reinterpret<i32>(reinterpret<f32>(magnitude) * reinterpret<f32>(0x77800000))
}

/** Bytes with the bits of `flip` turned in each. */
export function flipBytes(from: usize, count: i32, to: usize, flip: i32): void {
  const flips = i8x16.splat(<i8>flip)
  for (let i = 0; i < count; i += 16) v128.store(to + i, v128.xor(v128.load(from + i), flips))
}

/** Blocks of Q8_0 (a half, then 32 codes) to codes, `flip` in each of their bytes, and the halves as floats. */
export function splitQ8(from: usize, count: i32, codes: usize, floats: usize, flip: i32): void {
  const flips = i8x16.splat(<i8>flip)
  for (let i = 0; i < count; i++, from += 34, codes += 32, floats += 4) {
    store<i32>(floats, widen(load<u16>(from)))
    v128.store(codes, v128.xor(v128.load(from, 2), flips))
    v128.store(codes, v128.xor(v128.load(from, 18), flips), 16)
  }
}

/** The lower half of each field of 2 * `half` bits, one every `field` bits. */
function lower(half: i32, field: i32): v128 {
  const ones = (<i64>1 << half) - 1
  let all: i64 = 0
  for (let at = 0; at < 64; at += field) all |= ones << at
  return i64x2.splat(all)
}

/** Indexes of bytes: `width` of each half of sixteen, the halves `apart`. */
@inline
function places(width: i32, apart: i32, isSpread: bool): v128 {
  let low: i64 = -1
  let high: i64 = -1
  for (let i = 0; i < 16; i++) {
    let from = 255
    if (isSpread) from = (i & 7) < width ? (i >> 3) * apart + (i & 7) : 255
    else if (i < 2 * width) from = i < width ? i : 8 + i - width
    if (i < 8) low = (low & ~(<i64>255 << (8 * i))) | (<i64>from << (8 * i))
    else high = (high & ~(<i64>255 << (8 * (i - 8)))) | (<i64>from << (8 * (i - 8)))
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high)
}

/**
 * Codes of `bits` bits, least significant first, in fields of `wide` bits: twice as large where `double` is 1, and each with a field of
 * `more` added. 1 to 7 bits and a wider power of two; of sixteen codes at a time.
 */
export function widenFields(from: usize, count: i32, to: usize, bits: i32, wide: i32, double: i32, more: i64): void {
  const spread = places(bits, bits, true)
  const dense = places(wide, 8, false)
  const added = i64x2.splat(more)
  const gap = wide - bits
  const first = lower(4 * bits, 64)
  const second = lower(2 * bits, 4 * wide)
  const third = lower(bits, 2 * wide)
  for (let i = 0; i < count; i += 16, from += 2 * bits, to += 2 * wide) {
    // Eight codes in each half: the upper four move up by four gaps, of each four the upper two by two, of each two one by one.
    let codes = i8x16.swizzle(v128.load(from), spread)
    codes = v128.or(v128.and(codes, first), i64x2.shl(v128.andnot(codes, first), 4 * gap))
    codes = v128.or(v128.and(codes, second), i64x2.shl(v128.andnot(codes, second), 2 * gap))
    codes = v128.or(v128.and(codes, third), i64x2.shl(v128.andnot(codes, third), gap))
    v128.store(to, i8x16.swizzle(i64x2.add(i64x2.shl(codes, double), added), dense))
  }
}

/** Of bytes, each in 16 bits, their five digits in base 3 with 1 added as fields of two bits. */
@inline
function fiveFields(bytes: v128): v128 {
  const third = i16x8.splat(171)
  // (x * 171) >> 9 is x / 3 for every byte.
  const a = i16x8.shr_u(i16x8.mul(bytes, third), 9)
  const b = i16x8.shr_u(i16x8.mul(a, third), 9)
  const c = i16x8.shr_u(i16x8.mul(b, third), 9)
  const d = i16x8.shr_u(i16x8.mul(c, third), 9)
  // What is left over of each division by 3, times a power of 4: x + a + 4 b + 16 c + 64 d.
  const low = i16x8.add(i16x8.add(bytes, a), i16x8.shl(b, 2))
  const high = i16x8.add(i16x8.shl(c, 4), i16x8.shl(d, 6))
  return i16x8.add(i16x8.add(low, high), i16x8.splat(0x155))
}

/** Eight times ten bits as two times forty. */
@inline
function twoForties(fields: v128): v128 {
  const pairs = i32x4.dot_i16x8_s(fields, i32x4.splat(1 | (1024 << 16)))
  const low = i64x2.splat(0xffffffff)
  return v128.or(v128.and(pairs, low), i64x2.shr_u(v128.andnot(pairs, low), 12))
}

/**
 * Rows of codes 0, 1 and 2, five a byte in base 3, to rows of two bits a code with 1 added. `columns` is a multiple of 16; rows begin
 * with a byte. What is written past the end of a row is overwritten by the next one.
 */
export function widenTrits(from: usize, rows: i32, columns: i32, to: usize): void {
  for (let row = 0; row < rows; row++, from += (columns + 4) / 5, to += columns >> 2) {
    // Eighty codes: sixteen bytes become twenty.
    for (let at = 0; 5 * at < columns; at += 16) {
      const bytes = v128.load(from + at)
      const one = twoForties(fiveFields(i16x8.extend_low_i8x16_u(bytes)))
      const other = twoForties(fiveFields(i16x8.extend_high_i8x16_u(bytes)))
      const wide = to + at + (at >> 2)
      v128.store(wide, v128.shuffle<i8>(one, other, 0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 16, 17, 18, 19, 20, 24))
      store<u32>(wide, <u32>(i64x2.extract_lane(other, 1) >> 8), 16)
    }
  }
}
