// Division and square root rounded to nearest, ties to even, as IEEE 754 has them: WGSL's own may be some units off. The
// adapter's result is taken as a guess for the 24 bits of the quotient and put right in integers, where the remainder fits into
// 32 bits although its terms do not. What is not a normal number makes the thread uncertain: the host then leaves the whole
// call to another backend. After exact.wgsl.

var<private> isUncertain: bool = false;

const significandBits = 0x7fffffu;
const hiddenBit = 0x800000u;
const two23 = 8388608.0;
// A guess is a few units off at most; one that is further off is a broken adapter's.
const corrections = 16u;

fn exponentOf(bits: u32) -> i32 {
  return i32((bits >> 23u) & 255u) - 127;
}

// A normal number, neither 0 nor infinite nor NaN.
fn isNormal(bits: u32) -> bool {
  let exponent = (bits >> 23u) & 255u;
  return exponent != 0u && exponent != 255u;
}

fn assemble(sign: u32, exponent: i32, significand: u32) -> f32 {
  // A significand of 2^24 carries into the exponent by itself.
  let bits = sign | (u32((exponent + 127) << 23u) + significand - hiddenBit);
  if (exponent < -126 || exponent > 126) {
    isUncertain = true;
  }
  return bitcast<f32>(bits);
}

fn divide(a: f32, b: f32) -> f32 {
  let aBits = bitcast<u32>(a);
  let bBits = bitcast<u32>(b);
  let sign = (aBits ^ bBits) & 0x80000000u;
  if ((aBits << 1u) == 0u && isNormal(bBits)) {
    return bitcast<f32>(sign);
  }
  if (!isNormal(aBits) || !isNormal(bBits)) {
    isUncertain = true;
    return 0.0;
  }
  let m = (aBits & significandBits) | hiddenBit;
  let n = (bBits & significandBits) | hiddenBit;
  let isBelow = m < n;
  let shift = select(23u, 24u, isBelow);
  var quotient = u32((f32(m) / f32(n)) * select(two23, 2.0 * two23, isBelow));
  var remainder = bitcast<i32>((m << shift) - quotient * n);
  for (var i = 0u; i < corrections && remainder < 0; i++) {
    quotient -= 1u;
    remainder += i32(n);
  }
  for (var i = 0u; i < corrections && remainder >= i32(n); i++) {
    quotient += 1u;
    remainder -= i32(n);
  }
  // A quotient of two significands is never half way between two others.
  if (2 * remainder > i32(n)) {
    quotient += 1u;
  }
  return assemble(sign, exponentOf(aBits) - exponentOf(bBits) - select(0, 1, isBelow), quotient);
}

fn squareRoot(value: f32) -> f32 {
  let bits = bitcast<u32>(value);
  if ((bits << 1u) == 0u) {
    return value;
  }
  if (!isNormal(bits) || value < 0.0) {
    isUncertain = true;
    return 0.0;
  }
  let m = (bits & significandBits) | hiddenBit;
  let exponent = exponentOf(bits);
  let isOdd = (exponent & 1) != 0;
  var root = u32(sqrt(f32(m) * select(two23, 2.0 * two23, isOdd)));
  var remainder = bitcast<i32>((m << select(23u, 24u, isOdd)) - root * root);
  for (var i = 0u; i < corrections && remainder < 0; i++) {
    root -= 1u;
    remainder += i32(2u * root + 1u);
  }
  for (var i = 0u; i < corrections && remainder > i32(2u * root); i++) {
    remainder -= i32(2u * root + 1u);
    root += 1u;
  }
  if (remainder > i32(root)) {
    root += 1u;
  }
  return assemble(0u, select(exponent, exponent - 1, isOdd) / 2, root);
}
