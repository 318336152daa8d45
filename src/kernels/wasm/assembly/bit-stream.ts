// Codes of 2 to 8 bits, least significant bit first, to and from one byte each. Eight codes are `bits` whole bytes, so
// every step takes whole bytes; what a step writes past its own bytes the next one overwrites.

/** Packs count codes; writes up to 15 bytes past the row's own. Bits after the last code are 0. */
export function packRow(rowCodes: usize, count: i32, bits: i32, target: usize): void {
  // What `encode` left after the last code is not part of the row.
  v128.store(rowCodes + count, i64x2.splat(0))
  v128.store(rowCodes + count, i64x2.splat(0), 16)
  if (bits == 4) pack4(rowCodes, count, target)
  else if (bits == 8) memory.copy(target, rowCodes, count)
  else packAny(rowCodes, count, bits, target)
}

/** Two codes to a byte: c0 | c1 << 8 becomes c0 | c1 << 4. */
@inline
function pack4(rowCodes: usize, count: i32, target: usize): void {
  const mask = i16x8.splat(0xff)
  for (let i: usize = 0; i < <usize>count; i += 32) {
    const a = v128.load(rowCodes + i)
    const b = v128.load(rowCodes + i, 16)
    const pairsA = v128.and(v128.or(a, i16x8.shr_u(a, 4)), mask)
    const pairsB = v128.and(v128.or(b, i16x8.shr_u(b, 4)), mask)
    v128.store(target + (i >> 1), i8x16.narrow_i16x8_u(pairsA, pairsB))
  }
}

/** Folds codes of 8 bits to pairs, fours and eights without gaps, in each 64-bit lane. */
@inline
function packAny(rowCodes: usize, count: i32, bits: i32, target: usize): void {
  const gap = 8 - bits
  const mask8 = i64x2.splat(0x00ff00ff00ff00ff)
  const mask16 = i64x2.splat(0x0000ffff0000ffff)
  const mask32 = i64x2.splat(0x00000000ffffffff)
  let to = target
  for (let i: usize = 0; i < <usize>count; i += 16) {
    let v = v128.load(rowCodes + i)
    v = v128.or(v128.and(v, mask8), i64x2.shr_u(v128.andnot(v, mask8), gap))
    v = v128.or(v128.and(v, mask16), i64x2.shr_u(v128.andnot(v, mask16), 2 * gap))
    v = v128.or(v128.and(v, mask32), i64x2.shr_u(v128.andnot(v, mask32), 4 * gap))
    store<u64>(to, i64x2.extract_lane(v, 0))
    store<u64>(to + bits, i64x2.extract_lane(v, 1))
    to += 2 * bits
  }
}

/** The inverse of `packRow`; reads and writes up to 31 bytes past the row's own. */
export function unpackRow(source: usize, count: i32, bits: i32, rowCodes: usize): void {
  if (bits == 4) unpack4(source, count, rowCodes)
  else if (bits == 8) memory.copy(rowCodes, source, count)
  else unpackAny(source, count, bits, rowCodes)
}

@inline
function unpack4(source: usize, count: i32, rowCodes: usize): void {
  const mask = i8x16.splat(15)
  for (let i: usize = 0; i < <usize>count; i += 32) {
    const v = v128.load(source + (i >> 1))
    const low = v128.and(v, mask)
    const high = i8x16.shr_u(v, 4)
    v128.store(rowCodes + i, v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
    v128.store(rowCodes + i, v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16)
  }
}

@inline
function unpackAny(source: usize, count: i32, bits: i32, rowCodes: usize): void {
  const gap = 8 - bits
  const mask = i8x16.splat(<i8>(<i32>((1 << bits) - 1)))
  const low4 = i64x2.splat((<i64>1 << (4 * bits)) - 1)
  const low2 = i64x2.splat(((<i64>1 << (2 * bits)) - 1) * 0x0000000100000001)
  const low1 = i64x2.splat(((<i64>1 << bits) - 1) * 0x0001000100010001)
  let from = source
  for (let i: usize = 0; i < <usize>count; i += 16) {
    let v = i64x2.replace_lane(i64x2.splat(load<i64>(from)), 1, load<i64>(from + bits))
    const high4 = v128.andnot(v, low4)
    v = v128.or(v128.and(v, low4), i64x2.shl(high4, 4 * gap))
    v = v128.or(v128.and(v, low2), i64x2.shl(v128.andnot(v, low2), 2 * gap))
    v = v128.or(v128.and(v, low1), i64x2.shl(v128.andnot(v, low1), gap))
    v128.store(rowCodes + i, v128.and(v, mask))
    from += 2 * bits
  }
}
