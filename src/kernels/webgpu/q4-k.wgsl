// Q4_K and Q5_K, bit for bit as the reference searches them: a thread for a sub-block of 32, eight for a super-block of 256, each
// in the order of the specification. After ggml.wgsl.

struct Call {
  superBlocks: u32,
  columns: u32,
  zero: u32,
  // 1 for Q5_K.
  isQ5: u32,
  // 1 when `importance` counts.
  isWeighted: u32,
  largestCode: f32,
  // Inverse scales tried: (first + step k + largestCode) / range for k = 0 .. steps.
  first: f32,
  step: f32,
  steps: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
@group(0) @binding(1) var<storage, read> values: array<f32>;
// [columns]; anything when it does not count.
@group(0) @binding(2) var<storage, read> importance: array<f32>;
@group(0) @binding(3) var<storage, read_write> blocks: array<u32>;
// Set when a thread met what it cannot compute exactly.
@group(0) @binding(4) var<storage, read_write> uncertain: atomic<u32>;

const subBlock = 32u;

var<private> x: array<f32, 32>;
var<private> w: array<f32, 32>;

var<workgroup> scales: array<f32, 64>;
var<workgroup> minimums: array<f32, 64>;
var<workgroup> weightSums: array<f32, 64>;
var<workgroup> packed: array<u32, 512>;
// For each super-block: d and dmin as halves, then 12 bytes of scales and minimums.
var<workgroup> heads: array<u32, 32>;

// Bits of the magnitudes that keep every intermediate a normal number; weights beyond them are left to another backend. As
// integers, because a compiler may take NaN and infinity for impossible.
const leastValue = 0x21800000u; // 2^-60
const leastPeak = 0x35800000u; // 2^-20
const largestPeak = 0x49800000u; // 2^20
const leastImportance = 0x2b800000u; // 2^-40

fn requireOrdinary(column: u32) {
  var peak = 0u;
  var importancePeak = 0u;
  for (var i = 0u; i < subBlock; i++) {
    let magnitude = bitcast<u32>(x[i]) & 0x7fffffffu;
    if (magnitude != 0u && (magnitude < leastValue || magnitude > largestPeak)) {
      isUncertain = true;
    }
    peak = max(peak, magnitude);
    if (call.isWeighted != 0u) {
      let weight = bitcast<u32>(importance[column + i]);
      if (weight != 0u && (weight < leastImportance || weight > largestPeak)) {
        isUncertain = true;
      }
      importancePeak = max(importancePeak, weight);
    }
  }
  if ((peak != 0u && peak < leastPeak) || (importancePeak != 0u && importancePeak < leastPeak)) {
    isUncertain = true;
  }
}

fn setWeights(superBlock: u32, column: u32) {
  if (call.isWeighted != 0u) {
    // 2 / 256 of the sum of squares of the whole super-block, in order.
    var squares = 0.0;
    for (var i = 0u; i < 256u; i++) {
      let value = values[superBlock * 256u + i];
      squares += alone(value * value);
    }
    let square = squares * 0.0078125;
    for (var i = 0u; i < subBlock; i++) {
      w[i] = alone(importance[column + i] * squareRoot(square + alone(x[i] * x[i])));
    }
    return;
  }
  var squares = 0.0;
  for (var i = 0u; i < subBlock; i++) {
    squares += alone(x[i] * x[i]);
  }
  let root = squareRoot(squares * 0.03125);
  for (var i = 0u; i < subBlock; i++) {
    w[i] = root + abs(x[i]);
  }
}

fn codeFor(value: f32, inverse: f32, minimum: f32) -> f32 {
  return clamp(f32(nearestInt(alone(inverse * (value - minimum)))), 0.0, call.largestCode);
}

struct Found {
  scale: f32,
  // Of the values, at most 0.
  minimum: f32,
  // What the codes follow from; 0 where all are 0.
  inverse: f32,
  inverseMinimum: f32,
}

fn errorOf(inverse: f32, inverseMinimum: f32, scale: f32, minimum: f32) -> f32 {
  var error = 0.0;
  for (var i = 0u; i < subBlock; i++) {
    let code = codeFor(x[i], inverse, inverseMinimum);
    let difference = alone(alone(scale * code) + minimum) - x[i];
    error += alone(w[i] * alone(difference * difference));
  }
  return error;
}

// make_qkx2_quants and make_qkx3_quants.
fn search() -> Found {
  var least = x[0];
  var largest = x[0];
  var weightSum = w[0];
  var valueSum = alone(w[0] * x[0]);
  for (var i = 1u; i < subBlock; i++) {
    if (x[i] < least) {
      least = x[i];
    }
    if (x[i] > largest) {
      largest = x[i];
    }
    weightSum += w[i];
    valueSum += alone(w[i] * x[i]);
  }
  var minimum = least;
  if (least > 0.0) {
    minimum = 0.0;
  }
  if (largest <= minimum) {
    return Found(0.0, minimum, 0.0, 0.0);
  }
  let firstInverse = divide(call.largestCode, largest - minimum);
  var found = Found(divide(1.0, firstInverse), minimum, firstInverse, minimum);
  var best = errorOf(firstInverse, minimum, found.scale, minimum);
  for (var k = 0u; k <= call.steps; k++) {
    let inverse = divide(call.first + alone(call.step * f32(k)) + call.largestCode, largest - minimum);
    var codeSum = 0.0;
    var squareSum = 0.0;
    var productSum = 0.0;
    for (var i = 0u; i < subBlock; i++) {
      let code = codeFor(x[i], inverse, minimum);
      let weighted = alone(w[i] * code);
      codeSum += weighted;
      squareSum += alone(weighted * code);
      productSum += alone(weighted * x[i]);
    }
    let determinant = alone(weightSum * squareSum) - alone(codeSum * codeSum);
    if (!(determinant > 0.0)) {
      continue;
    }
    var triedScale = divide(alone(weightSum * productSum) - alone(valueSum * codeSum), determinant);
    var triedMinimum = divide(alone(squareSum * valueSum) - alone(codeSum * productSum), determinant);
    if (triedMinimum > 0.0) {
      triedMinimum = 0.0;
      triedScale = divide(productSum, squareSum);
    }
    let error = errorOf(inverse, minimum, triedScale, triedMinimum);
    if (error < best) {
      best = error;
      found = Found(triedScale, triedMinimum, inverse, minimum);
      minimum = triedMinimum;
    }
  }
  return found;
}

struct Shares {
  unit: f32,
  codes: array<u32, 8>,
}

fn largestOf(eight: array<f32, 8>) -> f32 {
  var largest = 0.0;
  for (var j = 0u; j < 8u; j++) {
    if (eight[j] > largest) {
      largest = eight[j];
    }
  }
  return largest;
}

// As multiples of the largest.
fn shareOfLargest(eight: array<f32, 8>) -> Shares {
  let largest = largestOf(eight);
  var inverse = 0.0;
  if (largest > 0.0) {
    inverse = divide(63.0, largest);
  }
  var shares: Shares;
  shares.unit = divide(largest, 63.0);
  for (var j = 0u; j < 8u; j++) {
    shares.codes[j] = min(63u, u32(nearestInt(alone(inverse * eight[j]))) & 255u);
  }
  return shares;
}

fn positiveError(eight: array<f32, 8>, weights: array<f32, 8>, inverse: f32, isFirst: bool) -> f32 {
  let scale = divide(1.0, inverse);
  var error = 0.0;
  for (var j = 0u; j < 8u; j++) {
    let nearest = nearestInt(alone(inverse * eight[j]));
    let code = select(min(63, nearest), nearest & 255, isFirst);
    let difference = eight[j] - alone(scale * f32(code));
    error += alone(alone(weights[j] * difference) * difference);
  }
  return error;
}

// make_qp_quants; codes wrap as the bytes of C do.
fn searchPositive(eight: array<f32, 8>, weights: array<f32, 8>) -> Shares {
  var shares: Shares;
  let largest = largestOf(eight);
  if (largest < 1e-15) {
    return shares;
  }
  var inverse = divide(63.0, largest);
  var best = positiveError(eight, weights, inverse, true);
  for (var k = -4; k <= 4; k++) {
    if (k == 0) {
      continue;
    }
    let tried = divide(alone(0.1 * f32(k)) + 63.0, largest);
    let error = positiveError(eight, weights, tried, false);
    if (error < best) {
      best = error;
      inverse = tried;
    }
  }
  var product = 0.0;
  var square = 0.0;
  for (var j = 0u; j < 8u; j++) {
    let code = min(63, nearestInt(alone(inverse * eight[j])));
    shares.codes[j] = u32(code) & 255u;
    product += alone(alone(weights[j] * eight[j]) * f32(code));
    square += alone(alone(weights[j] * f32(code)) * f32(code));
  }
  for (var sweep = 0u; sweep < 5u; sweep++) {
    var hasChanged = false;
    for (var j = 0u; j < 8u; j++) {
      let code = f32(shares.codes[j]);
      var otherProduct = product - alone(alone(weights[j] * eight[j]) * code);
      var otherSquare = square - alone(alone(weights[j] * code) * code);
      if (!(otherProduct > 0.0 && otherSquare > 0.0)) {
        continue;
      }
      let next = min(63, nearestInt(divide(alone(eight[j] * otherSquare), otherProduct)));
      if (f32(next) == code) {
        continue;
      }
      otherProduct += alone(alone(weights[j] * eight[j]) * f32(next));
      otherSquare += alone(alone(weights[j] * f32(next)) * f32(next));
      if (alone(alone(otherProduct * otherProduct) * square) > alone(alone(product * product) * otherSquare)) {
        shares.codes[j] = u32(next) & 255u;
        product = otherProduct;
        square = otherSquare;
        hasChanged = true;
      }
    }
    if (!hasChanged) {
      break;
    }
  }
  shares.unit = divide(product, square);
  return shares;
}

fn sharesOf(eight: array<f32, 8>, weights: array<f32, 8>) -> Shares {
  if (call.isWeighted == 0u) {
    return shareOfLargest(eight);
  }
  var shares = searchPositive(eight, weights);
  if (call.isQ5 != 0u) {
    for (var j = 0u; j < 8u; j++) {
      shares.codes[j] = min(63u, shares.codes[j]);
    }
  }
  return shares;
}

fn byteOf(word: u32, index: u32) -> u32 {
  return (word >> (8u * index)) & 255u;
}

// Head of a super-block: one thread for its eight sub-blocks.
fn writeHead(slot: u32) {
  var scaleOf: array<f32, 8>;
  var minimumOf: array<f32, 8>;
  var weightOf: array<f32, 8>;
  for (var j = 0u; j < 8u; j++) {
    scaleOf[j] = scales[slot * 8u + j];
    minimumOf[j] = minimums[slot * 8u + j];
    weightOf[j] = weightSums[slot * 8u + j];
  }
  let scale = sharesOf(scaleOf, weightOf);
  let minimum = sharesOf(minimumOf, weightOf);
  var low = 0u;
  var middle = 0u;
  var high = 0u;
  for (var j = 0u; j < 4u; j++) {
    let upperScale = scale.codes[j + 4u];
    let upperMinimum = minimum.codes[j + 4u];
    low |= (scale.codes[j] | (((upperScale >> 4u) << 6u) & 255u)) << (8u * j);
    middle |= (minimum.codes[j] | (((upperMinimum >> 4u) << 6u) & 255u)) << (8u * j);
    high |= ((upperScale & 15u) | ((upperMinimum & 15u) << 4u)) << (8u * j);
  }
  heads[slot * 4u] = halfBits(scale.unit) | (halfBits(minimum.unit) << 16u);
  heads[slot * 4u + 1u] = low;
  heads[slot * 4u + 2u] = middle;
  heads[slot * 4u + 3u] = high;
}

struct Stored {
  scale: f32,
  minimum: f32,
}

// Scale and minimum of a sub-block as a reader of the file gets them.
fn storedOf(slot: u32, j: u32) -> Stored {
  let units = heads[slot * 4u];
  let low = heads[slot * 4u + 1u];
  let middle = heads[slot * 4u + 2u];
  let high = heads[slot * 4u + 3u];
  var scale = byteOf(low, j & 3u) & 63u;
  var minimum = byteOf(middle, j & 3u) & 63u;
  if (j >= 4u) {
    let nibbles = byteOf(high, j - 4u);
    scale = (nibbles & 15u) | ((byteOf(low, j - 4u) >> 6u) << 4u);
    minimum = (nibbles >> 4u) | ((byteOf(middle, j - 4u) >> 6u) << 4u);
  }
  return Stored(alone(halfValue(units & 0xffffu) * f32(scale)), alone(halfValue(units >> 16u) * f32(minimum)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let slot = index / 8u;
  let j = index % 8u;
  let superBlock = group.x * 8u + slot;
  let isInside = superBlock < call.superBlocks;
  var found = Found(0.0, 0.0, 0.0, 0.0);
  if (isInside) {
    let column = (superBlock * 256u) % call.columns + j * subBlock;
    for (var i = 0u; i < subBlock; i++) {
      x[i] = values[superBlock * 256u + j * subBlock + i];
    }
    requireOrdinary(column);
    setWeights(superBlock, column);
    found = search();
    var sum = 0.0;
    for (var i = 0u; i < subBlock; i++) {
      sum += w[i];
    }
    weightSums[index] = sum;
    scales[index] = found.scale;
    minimums[index] = -found.minimum;
  }
  workgroupBarrier();
  if (isInside && j == 0u) {
    writeHead(slot);
  }
  workgroupBarrier();
  if (isInside) {
    let stored = storedOf(slot, j);
    for (var word = 0u; word < 8u; word++) {
      var four = 0u;
      for (var i = 0u; i < 4u; i++) {
        let value = x[word * 4u + i];
        var code = 0.0;
        if (stored.scale != 0.0) {
          code = clamp(f32(nearestInt(divide(value + stored.minimum, stored.scale))), 0.0, call.largestCode);
        } else if (found.inverse != 0.0) {
          code = codeFor(value, found.inverse, found.inverseMinimum);
        }
        four |= u32(code) << (8u * i);
      }
      packed[index * 8u + word] = four;
    }
  }
  workgroupBarrier();
  if (isInside) {
    let words = select(36u, 44u, call.isQ5 != 0u);
    let at = superBlock * words;
    if (j < 4u) {
      blocks[at + j] = heads[slot * 4u + j];
    }
    if (call.isQ5 != 0u) {
      var fifth = 0u;
      for (var other = 0u; other < 8u; other++) {
        fifth |= ((packed[(slot * 8u + other) * 8u + j] >> 4u) & 0x01010101u) << other;
      }
      blocks[at + 4u + j] = fifth;
    }
    // Sub-blocks 2c and 2c + 1 share bytes; each of the two threads writes half of them.
    let pair = slot * 8u + (j & ~1u);
    for (var i = 0u; i < 4u; i++) {
      let word = (j & 1u) * 4u + i;
      let codes = (packed[pair * 8u + word] & 0x0f0f0f0fu) | ((packed[(pair + 1u) * 8u + word] & 0x0f0f0f0fu) << 4u);
      blocks[at + words - 32u + (j / 2u) * 8u + word] = codes;
    }
    if (isUncertain) {
      atomicStore(&uncertain, 1u);
    }
  }
}
