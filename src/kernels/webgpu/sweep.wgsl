// Rounds the positions of one block with error feedback, bit for bit as the reference: a thread for a row, eight positions at a
// time. The errors of the positions before come off the eight sums together; among themselves the eight go one by one. What the
// block's errors do to the positions after it is sweep-update.wgsl's. After ggml.wgsl, ordinary.wgsl and sweep-call.wgsl.

// [rows, columns] f32; where a position is done its code. As integers, because a code's bits are those of a denormal.
@group(0) @binding(1) var<storage, read_write> weights: array<u32>;
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

const threads = 128u;
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

// What the row's group at work is rounded to.
struct Group {
  index: u32,
  scale: f32,
  zeroPoint: f32,
  offset: f32,
  // Where its table of levels begins.
  table: u32,
}
const noGroup = 0xffffffffu;
var<private> held = Group(noGroup, 0.0, 0.0, 0.0, 0u);

fn weightAt(row: u32, index: u32) -> f32 {
  if (index >= call.count) {
    return 0.0;
  }
  let value = bitcast<f32>(weights[row * call.columns + places[call.first + index].x]);
  if (call.first == 0u) {
    requireWeight(value);
  }
  return value;
}

fn fourWeights(row: u32, index: u32) -> vec4f {
  return vec4f(weightAt(row, index), weightAt(row, index + 1u), weightAt(row, index + 2u), weightAt(row, index + 3u));
}

// Component k of eight. An index that is not known beforehand would keep the vectors out of registers.
fn pick(low: vec4f, high: vec4f, k: u32) -> f32 {
  let four = select(low, high, (k & 4u) != 0u);
  let two = select(four.xy, four.zw, (k & 2u) != 0u);
  return select(two.x, two.y, (k & 1u) != 0u);
}

// Step and zero point of the group that begins at `position`, from the weights as the finished blocks have left them.
fn fit(row: u32, position: u32, group: u32, at: u32) {
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

fn holdGroup(row: u32, position: u32, group: u32) {
  let at = row * call.groups + group;
  if (call.kind == 0u && (position == 0u || places[position - 1u].y != group)) {
    fit(row, position, group, at);
  }
  let plane = call.rows * call.groups;
  held = Group(group, grid[at], grid[plane + at], grid[2u * plane + at], at * call.tableStride);
  requireScale(held.scale);
  requireZeroPoint(held.zeroPoint);
  requireWeight(held.offset);
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

fn rounded(weight: f32) -> Rounded {
  var quotient = 0.0;
  if (held.scale != 0.0) {
    quotient = divide(weight - held.offset, held.scale);
  }
  if (call.kind == 2u) {
    let code = nearestLevel(held.table, quotient);
    let level = levels[held.table + code];
    requireLevel(level);
    return Rounded(code, alone(held.scale * level) + held.offset);
  }
  let shifted = round(quotient) + held.zeroPoint;
  let code = select(0.0, min(call.largestCode, shifted), shifted > 0.0);
  return Rounded(u32(code), alone(held.scale * (code - held.zeroPoint)) + held.offset);
}

// Rounds one position; its error.
fn roundPosition(row: u32, index: u32, weight: f32, pivot: f32) -> f32 {
  let position = call.first + index;
  let place = places[position];
  if (place.y != held.index) {
    holdGroup(row, position, place.y);
  }
  let chosen = rounded(weight);
  weights[row * call.columns + place.x] = chosen.code;
  let error = divide(weight - chosen.value, pivot);
  requireTerm(error);
  return error;
}

@compute @workgroup_size(128)
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
      var even0 = fourWeights(row, start);
      var even1 = fourWeights(row, start + 4u);
      var odd0 = vec4f(0.0);
      var odd1 = vec4f(0.0);
      for (var m = 0u; m < start; m += 2u) {
        let evenError = own[m];
        let oddError = own[m + 1u];
        even0 -= alone4(evenError * factor[2u * m]);
        even1 -= alone4(evenError * factor[2u * m + 1u]);
        odd0 -= alone4(oddError * factor[2u * m + 2u]);
        odd1 -= alone4(oddError * factor[2u * m + 3u]);
      }
      for (var k = 0u; k < min(8u, call.count - start); k++) {
        let at = start + k;
        let right0 = factor[2u * at];
        let right1 = factor[2u * at + 1u];
        let error = roundPosition(row, at, pick(even0, even1, k) + pick(odd0, odd1, k), pick(right0, right1, k));
        own[at] = error;
        errors[at * call.rows + row] = error;
        loss += alone(error * error);
        // What this does to the positions up to k is not read any more.
        if ((k & 1u) == 0u) {
          even0 -= alone4(error * right0);
          even1 -= alone4(error * right1);
        } else {
          odd0 -= alone4(error * right0);
          odd1 -= alone4(error * right1);
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
