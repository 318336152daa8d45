// What the ggml quantizers share: nearest integers and halves. After exact-division.wgsl.

const magic = 12582912.0;

// ggml's nearest_int, bit for bit; `value` must not be a product that could be fused with the sum.
fn nearestInt(value: f32) -> i32 {
  return i32(bitcast<u32>(value + magic) & 0x7fffffu) - 0x400000;
}

// Bits of the nearest half, ties to even, of a finite value.
fn halfBits(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x477ff000u) {
    return sign | 0x7c00u;
  }
  if (magnitude < 0x38800000u) {
    // Adding 0.5 moves the last place of the half to that of the float.
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
}

fn halfValue(half: u32) -> f32 {
  let sign = (half & 0x8000u) << 16u;
  let exponent = (half >> 10u) & 31u;
  let significand = half & 1023u;
  if (exponent == 31u) {
    isUncertain = true;
    return 0.0;
  }
  if (exponent == 0u) {
    return bitcast<f32>(sign | bitcast<u32>(f32(significand) * 5.9604644775390625e-8));
  }
  return bitcast<f32>(sign | ((exponent + 112u) << 23u) | (significand << 13u));
}
