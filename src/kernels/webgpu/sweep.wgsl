// Rounds the positions of one block with error feedback, bit for bit as the reference: a thread for a row, eight positions at a
// time. The errors of the positions before come off the eight sums together; among themselves the eight go one by one. What the
// block's errors do to the positions after it is sweep-update.wgsl's. After ggml.wgsl and ordinary.wgsl.

struct Call {
  rows: u32,
  columns: u32,
  zero: u32,
  // The block: positions [first, first + count), at most 128.
  first: u32,
  count: u32,
  // First position of the rows of U at hand.
  firstUpper: u32,
  groups: u32,
  // 0 fit, 1 uniform, 2 levels.
  kind: u32,
  // Of `fit`.
  isSymmetric: u32,
  // Levels in a table, and between the tables of two groups: 0 when all share one.
  levelCount: u32,
  tableStride: u32,
  // Of `fit` and `uniform`.
  largestCode: f32,
}

@group(0) @binding(0) var<uniform> call: Call;
// [rows, columns] f32; where a position is done its code. As integers, because a code's bits are those of a denormal.
@group(0) @binding(1) var<storage, read_write> weights: array<u32>;
// Rows of U from `firstUpper` on, [rows, columns]; the block's are among them.
@group(0) @binding(2) var<storage, read> upper: array<f32>;
// Column and group of each position.
@group(0) @binding(3) var<storage, read> places: array<vec2u>;
// Scales, zero points, offsets: [3][rows, groups]. `fit` writes the first two.
@group(0) @binding(4) var<storage, read_write> grid: array<f32>;
// [tables, levelCount], sorted.
@group(0) @binding(5) var<storage, read> levels: array<f32>;
// [count][rows]
@group(0) @binding(6) var<storage, read_write> errors: array<f32>;
// Sum of the squared errors of each row so far.
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;
// Set when a thread met what it cannot compute exactly.
@group(0) @binding(8) var<storage, read_write> uncertain: atomic<u32>;

const threads = 64u;
const smallestNormalHalf = 6.103515625e-5;
const smallestHalf = 5.9604644775390625e-8;
const largestHalf = 65504.0;

// U[m][start .. start + 8) of the positions m of the block: two vectors each.
var<workgroup> factor: array<vec4f, 256>;
var<private> own: array<f32, 128>;

struct Rounded {
  code: u32,
  value: f32,
}

fn weightAt(row: u32, position: u32) -> f32 {
  let value = bitcast<f32>(weights[row * call.columns + places[position].x]);
  if (call.first == 0u) {
    requireWeight(value);
  }
  return value;
}

fn fourOfFactor(m: u32, position: u32) -> vec4f {
  var four = vec4f(0.0);
  for (var i = 0u; i < 4u; i++) {
    if (position + i < call.columns) {
      four[i] = upper[(call.first - call.firstUpper + m) * call.columns + position + i];
      requireTerm(four[i]);
    }
  }
  return four;
}

// Step and zero point of the group that begins at `position`, from the weights as the finished blocks have left them.
fn fit(row: u32, position: u32, at: u32) {
  let group = places[position].y;
  var least = 0.0;
  var largest = 0.0;
  for (var other = position; other < call.columns && places[other].y == group; other++) {
    let value = bitcast<f32>(weights[row * call.columns + places[other].x]);
    if (value < least) {
      least = value;
    }
    if (value > largest) {
      largest = value;
    }
  }
  let isSymmetric = call.isSymmetric != 0u;
  let middle = 0.5 * (call.largestCode + 1.0);
  let peak = max(-least, largest);
  let width = select(largest - least, peak + peak, isSymmetric);
  var step = 1.0;
  var zeroPoint = select(0.0, middle, isSymmetric);
  if (width != 0.0) {
    step = heldStep(divide(width, call.largestCode));
    if (!isSymmetric) {
      zeroPoint = min(call.largestCode, round(divide(-least, step)));
    }
  }
  grid[at] = step;
  grid[call.rows * call.groups + at] = zeroPoint;
}

// A step that no half holds to 11 bits becomes the half next to it.
fn heldStep(exact: f32) -> f32 {
  if (exact >= smallestNormalHalf) {
    return min(exact, largestHalf);
  }
  return max(smallestHalf, halfValue(halfBits(exact)));
}

// Index of the nearest level, the higher one of two equally near.
fn nearestLevel(table: u32, quotient: f32) -> u32 {
  var low = 0u;
  var high = call.levelCount - 1u;
  while (low < high) {
    let next = (low + high + 1u) / 2u;
    let below = levels[table + next - 1u];
    let above = levels[table + next];
    requireLevel(below);
    requireLevel(above);
    if (quotient >= 0.5 * (below + above)) {
      low = next;
    } else {
      high = next - 1u;
    }
  }
  return low;
}

fn roundTo(at: u32, weight: f32) -> Rounded {
  let scale = grid[at];
  let offset = grid[2u * call.rows * call.groups + at];
  requireScale(scale);
  requireWeight(offset);
  var quotient = 0.0;
  if (scale != 0.0) {
    quotient = divide(weight - offset, scale);
  }
  if (call.kind == 2u) {
    let table = at * call.tableStride;
    let code = nearestLevel(table, quotient);
    let level = levels[table + code];
    requireLevel(level);
    return Rounded(code, alone(scale * level) + offset);
  }
  let zeroPoint = grid[call.rows * call.groups + at];
  requireZeroPoint(zeroPoint);
  let shifted = round(quotient) + zeroPoint;
  let code = select(0.0, min(call.largestCode, shifted), shifted > 0.0);
  return Rounded(u32(code), alone(scale * (code - zeroPoint)) + offset);
}

// Rounds one position; its error.
fn roundPosition(row: u32, index: u32, weight: f32, pivot: f32) -> f32 {
  let position = call.first + index;
  let place = places[position];
  let at = row * call.groups + place.y;
  if (call.kind == 0u && (position == 0u || places[position - 1u].y != place.y)) {
    fit(row, position, at);
  }
  let rounded = roundTo(at, weight);
  weights[row * call.columns + place.x] = rounded.code;
  let error = divide(weight - rounded.value, pivot);
  requireTerm(error);
  return error;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = group.x * threads + index;
  let isInside = row < call.rows;
  var loss = 0.0;
  if (isInside) {
    loss = losses[row];
  }
  for (var start = 0u; start < call.count; start += 8u) {
    workgroupBarrier();
    for (var at = index; at < 2u * min(start + 8u, call.count); at += threads) {
      factor[at] = fourOfFactor(at / 2u, call.first + start + 4u * (at % 2u));
    }
    workgroupBarrier();
    if (isInside) {
      // Errors of even and of odd places in the block come off two sums, as in the reference.
      var even = array(vec4f(0.0), vec4f(0.0));
      var odd = array(vec4f(0.0), vec4f(0.0));
      let eight = min(8u, call.count - start);
      for (var k = 0u; k < eight; k++) {
        even[k / 4u][k % 4u] = weightAt(row, call.first + start + k);
      }
      for (var m = 0u; m < start; m += 2u) {
        even[0] -= alone4(own[m] * factor[2u * m]);
        even[1] -= alone4(own[m] * factor[2u * m + 1u]);
        odd[0] -= alone4(own[m + 1u] * factor[2u * m + 2u]);
        odd[1] -= alone4(own[m + 1u] * factor[2u * m + 3u]);
      }
      for (var k = 0u; k < eight; k++) {
        let at = start + k;
        let right0 = factor[2u * at];
        let right1 = factor[2u * at + 1u];
        let pivot = select(right0, right1, k >= 4u)[k % 4u];
        let error = roundPosition(row, at, even[k / 4u][k % 4u] + odd[k / 4u][k % 4u], pivot);
        own[at] = error;
        errors[at * call.rows + row] = error;
        loss += alone(error * error);
        // What this does to the positions up to k is not read any more.
        if (k % 2u == 0u) {
          even[0] -= alone4(error * right0);
          even[1] -= alone4(error * right1);
        } else {
          odd[0] -= alone4(error * right0);
          odd[1] -= alone4(error * right1);
        }
      }
    }
  }
  if (isInside) {
    losses[row] = loss;
  }
  if (isUncertain) {
    atomicStore(&uncertain, 1u);
  }
}
