// Magnitudes between which no step of a sweep meets a denormal or an infinity, so that f32 on a card, which may flush the one
// and take the other for impossible, follows the reference. Terms of a product are at least 2^-51: products and weights are then
// multiples of 2^-125, and so is every sum and difference of them. As integers for the reason given. After exact-division.wgsl.

const leastWeight = 0x0c800000u; // 2^-102
const leastTerm = 0x26000000u; // 2^-51
const leastLevel = 0x21800000u; // 2^-60
const leastScale = 0x2b800000u; // 2^-40
const leastZeroPoint = 0x35800000u; // 2^-20
const largestValue = 0x53800000u; // 2^40

fn requireBetween(value: f32, least: u32) {
  let magnitude = bitcast<u32>(value) & 0x7fffffffu;
  if (magnitude != 0u && (magnitude < least || magnitude > largestValue)) {
    isUncertain = true;
  }
}

// Of the matrix, and offsets.
fn requireWeight(value: f32) {
  requireBetween(value, leastWeight);
}

// Elements of U and errors.
fn requireTerm(value: f32) {
  requireBetween(value, leastTerm);
}

fn requireLevel(value: f32) {
  requireBetween(value, leastLevel);
}

fn requireScale(value: f32) {
  requireBetween(value, leastScale);
}

fn requireZeroPoint(value: f32) {
  requireBetween(value, leastZeroPoint);
}
