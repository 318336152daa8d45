// F32 and F16 as ggml types of one element.
import { hasNonFinite, INFINITY_BITS, magnitudeBits } from './lanes'

export function encodeF32(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  memory.copy(to, x, <usize>count << 2)
  return 0
}

export function decodeF32(blocks: usize, count: i32, values: usize): void {
  memory.copy(values, blocks, <usize>count << 2)
}

/** Four halves by the steps of `halfBits`, none of NaN; the branches become selections. */
@inline
export function halves(v: v128): v128 {
  const magnitude = magnitudeBits(v)
  const sign = v128.and(i32x4.shr_u(v, 16), i32x4.splat(0x8000))
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff - 0x38000000)), odd), 13)
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000))
  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat(0x38800000))
  const isOver = i32x4.ge_s(magnitude, i32x4.splat(0x477ff000))
  const finite = v128.bitselect(subnormal, normal, isSubnormal)
  return v128.or(sign, v128.bitselect(i32x4.splat(0x7c00), finite, isOver))
}

export function encodeF16(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (let i: usize = 0; i < <usize>count; i += 8) {
    const p = x + (i << 2)
    v128.store(to + (i << 1), i16x8.narrow_i32x4_u(halves(v128.load(p)), halves(v128.load(p, 16))))
  }
  return 0
}

/**
 * Exponent and mantissa of a half, moved to their places in an f32, make its value times 2^-112: subnormal halves too. All
 * ones in the exponent (infinity, NaN) are put back afterwards.
 */
@inline
function floats(half: v128): v128 {
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16)
  const magnitude = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13)
  const value = f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)) // 2^112
  const special = v128.and(i32x4.ge_s(magnitude, i32x4.splat(0x0f800000)), i32x4.splat(INFINITY_BITS))
  return v128.or(v128.or(value, special), sign)
}

/** Reads and writes up to 3 elements past the end. */
export function decodeF16(blocks: usize, count: i32, values: usize): void {
  for (let i: usize = 0; i < <usize>count; i += 4) {
    v128.store(values + (i << 2), floats(v128.load_ext<u16>(blocks + (i << 1))))
  }
}

/** bfloat16 to f32: the upper half of its bits. Reads and writes up to 3 elements past the end. */
export function widenBfloat16(x: usize, count: i32, values: usize): void {
  for (let i: usize = 0; i < <usize>count; i += 4) {
    v128.store(values + (i << 2), i32x4.shl(v128.load_ext<u16>(x + (i << 1)), 16))
  }
}
