// IEEE half precision, round to nearest even; the same steps as src/core/float16.ts.

/** Bits of the half nearest to v. */
export function halfBits(v: f32): u32 {
  const bits = reinterpret<u32>(v)
  const sign = (bits >> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + <f32>0.5) - 0x3f000000)
  return sign | ((magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13)
}

export function floatOfHalf(half: u32): f32 {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 31
  const mantissa = half & 1023
  if (exponent == 31) return reinterpret<f32>(sign | 0x7f800000 | (mantissa << 13))
  if (exponent == 0) return reinterpret<f32>(reinterpret<u32>(<f32>mantissa * <f32>5.9604644775390625e-8) | sign)
  return reinterpret<f32>(sign | ((exponent + 112) << 23) | (mantissa << 13))
}

/** The half nearest to v > 0 as f32, kept within [2^-24, 65504]. */
@inline
export function positiveHalf(v: f32): f32 {
  const bits = reinterpret<u32>(v)
  const normal = reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000)
  const subnormal: f32 = v + <f32>0.5 - <f32>0.5
  const rounded = bits < 0x38800000 ? subnormal : normal
  return max(min(rounded, <f32>65504), <f32>5.9604644775390625e-8)
}
