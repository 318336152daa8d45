// Sums over weights for reports and charts, in f64.
import { INFINITY_BITS, largestF32, largestU32, magnitudeBits, smallestF32 } from './lanes'

@inline
function lowF64(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

@inline
function highF64(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 0))
}

@inline
function sumF64(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1)
}

/** Three f64 at `result`: squared error, squared weight, squared approximation. */
export function compareWeights(w: usize, v: usize, count: i32, result: usize): void {
  let error0 = f64x2.splat(0)
  let error1 = error0
  let weight0 = error0
  let weight1 = error0
  let approx0 = error0
  let approx1 = error0
  const whole = <usize>(count & ~3)
  let i: usize = 0
  for (; i < whole; i += 4) {
    const a = v128.load(w + (i << 2))
    const b = v128.load(v + (i << 2))
    const a0 = lowF64(a)
    const a1 = highF64(a)
    const b0 = lowF64(b)
    const b1 = highF64(b)
    const e0 = f64x2.sub(a0, b0)
    const e1 = f64x2.sub(a1, b1)
    error0 = f64x2.add(error0, f64x2.mul(e0, e0))
    error1 = f64x2.add(error1, f64x2.mul(e1, e1))
    weight0 = f64x2.add(weight0, f64x2.mul(a0, a0))
    weight1 = f64x2.add(weight1, f64x2.mul(a1, a1))
    approx0 = f64x2.add(approx0, f64x2.mul(b0, b0))
    approx1 = f64x2.add(approx1, f64x2.mul(b1, b1))
  }
  let error = sumF64(f64x2.add(error0, error1))
  let weight = sumF64(f64x2.add(weight0, weight1))
  let approx = sumF64(f64x2.add(approx0, approx1))
  for (; i < <usize>count; i++) {
    const a = <f64>load<f32>(w + (i << 2))
    const b = <f64>load<f32>(v + (i << 2))
    const e = a - b
    error += e * e
    weight += a * a
    approx += b * b
  }
  store<f64>(result, error)
  store<f64>(result, weight, 8)
  store<f64>(result, approx, 16)
}

// Running figures of summarizeWeights, over rows.
let least: f32 = 0
let most: f32 = 0
let sum: f64 = 0
let squares: f64 = 0
let finite: i32 = 0
let zeros: i32 = 0
let firstBroken: i32 = -1

@inline
function addValue(p: usize, column: i32, columnLargest: usize): void {
  const value = load<f32>(p)
  finite++
  if (value == 0) zeros++
  if (value < least) least = value
  if (value > most) most = value
  sum += <f64>value
  squares += <f64>value * <f64>value
  const at = columnLargest + (<usize>column << 2)
  if (abs(value) > load<f32>(at)) store<f32>(at, abs(value))
}

/**
 * Seven f64 at `result`: least, most, sum, squares, finite count, zero count, index of the first value that is not finite
 * or -1; and the largest magnitude of each column, [columns] f32 that hold 0 before.
 */
export function summarizeWeights(x: usize, rows: i32, columns: i32, columnLargest: usize, result: usize): void {
  least = f32.MAX_VALUE
  most = -f32.MAX_VALUE
  sum = 0
  squares = 0
  finite = 0
  zeros = 0
  firstBroken = -1
  const whole = columns & ~3
  for (let row = 0; row < rows; row++) {
    const p = x + ((<usize>row * columns) << 2)
    let bits = i32x4.splat(0)
    for (let i: usize = 0; i < <usize>whole; i += 4) bits = i32x4.max_u(bits, magnitudeBits(v128.load(p + (i << 2))))
    let column = 0
    if (largestU32(bits) < INFINITY_BITS) {
      addVectors(p, whole, columnLargest)
      column = whole
    }
    for (; column < columns; column++) {
      const at = p + (<usize>column << 2)
      if ((load<u32>(at) & 0x7fffffff) < INFINITY_BITS) addValue(at, column, columnLargest)
      else if (firstBroken < 0) firstBroken = row * columns + column
    }
  }
  store<f64>(result, finite > 0 ? <f64>least : 0)
  store<f64>(result, finite > 0 ? <f64>most : 0, 8)
  store<f64>(result, sum, 16)
  store<f64>(result, squares, 24)
  store<f64>(result, <f64>finite, 32)
  store<f64>(result, <f64>zeros, 40)
  store<f64>(result, <f64>firstBroken, 48)
}

/** The part of a row that comes in whole vectors, all finite. */
function addVectors(p: usize, count: i32, columnLargest: usize): void {
  let low = f32x4.splat(least)
  let high = f32x4.splat(most)
  let sum0 = f64x2.splat(0)
  let sum1 = sum0
  let squares0 = sum0
  let squares1 = sum0
  let zeroMasks = sum0
  const zero = f32x4.splat(0)
  for (let i: usize = 0; i < <usize>count; i += 4) {
    const v = v128.load(p + (i << 2))
    const at = columnLargest + (i << 2)
    v128.store(at, f32x4.pmax(v128.load(at), f32x4.abs(v)))
    low = f32x4.pmin(low, v)
    high = f32x4.pmax(high, v)
    zeroMasks = i32x4.sub(zeroMasks, f32x4.eq(v, zero))
    const a = lowF64(v)
    const b = highF64(v)
    sum0 = f64x2.add(sum0, a)
    sum1 = f64x2.add(sum1, b)
    squares0 = f64x2.add(squares0, f64x2.mul(a, a))
    squares1 = f64x2.add(squares1, f64x2.mul(b, b))
  }
  least = smallestF32(low)
  most = largestF32(high)
  sum += sumF64(f64x2.add(sum0, sum1))
  squares += sumF64(f64x2.add(squares0, squares1))
  finite += count
  zeros +=
    i32x4.extract_lane(zeroMasks, 0) +
    i32x4.extract_lane(zeroMasks, 1) +
    i32x4.extract_lane(zeroMasks, 2) +
    i32x4.extract_lane(zeroMasks, 3)
}

/** Adds finite values to a histogram of `bins` u32; the rule is at `KernelOperations.countWeights`. */
export function countWeights(x: usize, count: i32, limit: f64, bins: i32, histogram: usize): void {
  const perUnit: f64 = limit > 0 ? <f64>bins / (2 * limit) : 0
  for (let i: usize = 0; i < <usize>count; i++) {
    const p = x + (i << 2)
    if ((load<u32>(p) & 0x7fffffff) >= INFINITY_BITS) continue
    const bin = min(bins - 1, <i32>((<f64>load<f32>(p) + limit) * perUnit))
    const at = histogram + (<usize>bin << 2)
    store<u32>(at, load<u32>(at) + 1)
  }
}
