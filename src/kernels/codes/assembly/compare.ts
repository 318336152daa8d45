// Whether what a file has are stored codes: what proves files. Nothing of it is used to write them (`make.ts`).

/** Whether bytes are the same but for the bits of `flip` in each. */
export function sameBytes(found: usize, stored: usize, count: i32, flip: i32): bool {
  const flips = i8x16.splat(<i8>flip)
  let differing = i8x16.splat(0)
  const end = found + count
  for (; found + 64 <= end; found += 64, stored += 64) {
    const a = v128.xor(v128.xor(v128.load(found), v128.load(stored)), flips)
    const b = v128.xor(v128.xor(v128.load(found, 16), v128.load(stored, 16)), flips)
    const c = v128.xor(v128.xor(v128.load(found, 32), v128.load(stored, 32)), flips)
    const d = v128.xor(v128.xor(v128.load(found, 48), v128.load(stored, 48)), flips)
    differing = v128.or(differing, v128.or(v128.or(a, b), v128.or(c, d)))
  }
  let rest = 0
  for (; found < end; found++, stored++) rest |= load<u8>(found) ^ load<u8>(stored) ^ (flip & 255)
  return rest == 0 && !v128.any_true(differing)
}

/** The bits of a float that is a half. */
@inline
function floatBits(half: i32): i32 {
  const exponent = (half >> 10) & 31
  const sign = (half & 0x8000) << 16
  // Below the normal halves: so many times 2^-24.
  if (exponent == 0) return sign | reinterpret<i32>(<f32>(half & 1023) * reinterpret<f32>(0x33800000))
  return sign | ((half & 1023) << 13) | ((exponent == 31 ? 255 : exponent + 112) << 23)
}

/**
 * Whether codes and scales are those of blocks of Q8_0 (a half, then 32 codes), bit by bit: codes but for the bits of `flip` in each,
 * a scale `runs` times.
 */
export function sameQ8(codes: usize, scales: usize, stored: usize, count: i32, flip: i32, runs: i32): bool {
  const flips = i8x16.splat(<i8>flip)
  let differing = i8x16.splat(0)
  let other = 0
  for (let i = 0; i < count; i++, codes += 32, stored += 34) {
    const a = v128.xor(v128.xor(v128.load(codes), v128.load(stored, 2)), flips)
    const b = v128.xor(v128.xor(v128.load(codes, 16), v128.load(stored, 18)), flips)
    differing = v128.or(differing, v128.or(a, b))
    const bits = floatBits(load<u16>(stored))
    for (const end = scales + 4 * runs; scales < end; scales += 4) other |= load<i32>(scales) ^ bits
  }
  return other == 0 && !v128.any_true(differing)
}

/** A pattern of `bits` ones every `field` bits. */
function every(bits: i32, field: i32): i64 {
  const one = (<i64>1 << bits) - 1
  let all: i64 = 0
  for (let at = 0; at < 64; at += field) all |= one << at
  return all
}

/** `width` bytes, and the next as many in the other half. */
@inline
function halves(at: usize, width: i32, own: v128): v128 {
  return v128.and(i64x2.replace_lane(v128.load64_zero(at), 1, load<i64>(at + width)), own)
}

/**
 * Whether fields of `wide` bits less `less` in each, and halved where `double` is 1, are the codes of `bits` bits that are stored, least
 * significant first. A multiple of eight codes.
 */
export function sameFields(
  found: usize,
  stored: usize,
  count: i32,
  bits: i32,
  wide: i32,
  double: i32,
  less: i64,
): bool {
  const ownFields = i64x2.splat(wide == 8 ? -1 : (<i64>1 << (8 * wide)) - 1)
  const ownBits = i64x2.splat((<i64>1 << (8 * bits)) - 1)
  const outside = v128.andnot(ownFields, i64x2.splat(every(bits, wide) << double))
  const lesser = i64x2.splat(less)
  const gap = wide - bits
  const ones = i64x2.splat(every(bits, 2 * wide))
  const twos = i64x2.splat(every(2 * bits, 4 * wide))
  const fours = i64x2.splat(every(4 * bits, 64))
  let wrong = i64x2.splat(0)
  for (let i = 0; i < count; i += 16, found += 2 * wide, stored += 2 * bits) {
    // The lowest code below `less` borrows and has bits outside, whatever becomes of those above it.
    const moved = i64x2.sub(halves(found, wide, ownFields), lesser)
    // Codes come together in pairs, in fours, in eights; what lies outside of them is seen anyway.
    let codes = i64x2.shr_u(moved, double)
    codes = v128.or(v128.and(codes, ones), v128.and(i64x2.shr_u(codes, gap), i64x2.shl(ones, bits)))
    codes = v128.or(v128.and(codes, twos), v128.and(i64x2.shr_u(codes, 2 * gap), i64x2.shl(twos, 2 * bits)))
    codes = v128.or(v128.and(codes, fours), v128.and(i64x2.shr_u(codes, 4 * gap), i64x2.shl(fours, 4 * bits)))
    const differing = v128.xor(v128.and(codes, ownBits), halves(stored, bits, ownBits))
    let each = v128.or(v128.and(moved, outside), differing)
    if (count - i < 16) each = i64x2.replace_lane(each, 1, 0)
    wrong = v128.or(wrong, each)
  }
  return !v128.any_true(wrong)
}

/** Five fields of two bits, 1 to 3, as a byte in base 3, of each 16 bits. */
@inline
function fiveDigits(fields: v128): v128 {
  const three = i16x8.splat(3)
  let all = v128.and(i16x8.shr_u(fields, 8), three)
  all = i16x8.add(i16x8.mul(all, three), v128.and(i16x8.shr_u(fields, 6), three))
  all = i16x8.add(i16x8.mul(all, three), v128.and(i16x8.shr_u(fields, 4), three))
  all = i16x8.add(i16x8.mul(all, three), v128.and(i16x8.shr_u(fields, 2), three))
  all = i16x8.add(i16x8.mul(all, three), v128.and(fields, three))
  return i16x8.sub(all, i16x8.splat(121))
}

/** Two times forty bits as eight times ten, in 16 bits each. */
@inline
function tens(forties: v128): v128 {
  const low = i64x2.splat(0xfffff)
  const twenties = v128.or(v128.and(forties, low), i64x2.shl(v128.and(forties, i64x2.splat(0xfffff << 20)), 12))
  const ten = i32x4.splat(1023)
  return v128.or(v128.and(twenties, ten), i32x4.shl(v128.and(twenties, i32x4.splat(1023 << 10)), 6))
}

/** Zero where every field of two bits is at least 1. */
@inline
function missing(fields: v128): v128 {
  const low = i16x8.splat(0x155)
  return v128.andnot(low, v128.or(fields, i16x8.shr_u(fields, 1)))
}

/**
 * Whether rows of two bits a code, 1 to 3, are those of codes 0, 1 and 2 that are stored five a byte. `columns` is a multiple of 16;
 * what fills the last stored byte of a row up is 0.
 */
export function sameTrits(found: usize, stored: usize, rows: i32, columns: i32): bool {
  let wrong = i16x8.splat(0)
  // Negative where a field is 0.
  let rest = 0
  let other = 0
  for (let row = 0; row < rows; row++) {
    let left = columns
    for (; left >= 80; left -= 80, found += 20, stored += 16) {
      const front = v128.load(found)
      const back = v128.load(found, 4)
      const one = tens(v128.shuffle<i8>(front, front, 0, 1, 2, 3, 4, 0, 0, 0, 5, 6, 7, 8, 9, 0, 0, 0))
      const two = tens(v128.shuffle<i8>(back, back, 6, 7, 8, 9, 10, 0, 0, 0, 11, 12, 13, 14, 15, 0, 0, 0))
      const bytes = i8x16.narrow_i16x8_u(fiveDigits(one), fiveDigits(two))
      wrong = v128.or(wrong, v128.or(v128.xor(bytes, v128.load(stored)), v128.or(missing(one), missing(two))))
    }
    for (let bit = 0; left > 0; left -= 5, bit += 10, stored++) {
      const five = load<i32>(found + (bit >> 3)) >> (bit & 7)
      let byte = 0
      for (let i = min(left, 5) - 1; i >= 0; i--) {
        const field = (five >> (2 * i)) & 3
        rest |= field - 1
        byte = 3 * byte + field - 1
      }
      other |= byte ^ load<u8>(stored)
    }
    found += (columns % 80) >> 2
  }
  return rest >= 0 && other == 0 && !v128.any_true(wrong)
}
