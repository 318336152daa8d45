// Where the searches for scales keep their data. Four sub-blocks lie side by side, one in each lane of a vector ("transposed"),
// so that four sums run at once, each in the order of its own elements.

/** Transposed elements, weights, weight * element and codes as f32: up to 256 of each. */
export const VALUES: usize = memory.data(1024, 16)
export const WEIGHTS: usize = memory.data(1024, 16)
export const PRODUCTS: usize = memory.data(1024, 16)
export const LEVELS: usize = memory.data(1024, 16)

/** One f32 for each sub-block: what a search found. Codes come back as nearest(inverse * (x - origin)). */
export const SCALES: usize = memory.data(64, 16)
export const MINIMUMS: usize = memory.data(64, 16)
export const INVERSES: usize = memory.data(64, 16)
export const ORIGINS: usize = memory.data(64, 16)

/** Weights of the elements in their own order, sums of them by sub-block. */
export const ROW_WEIGHTS: usize = memory.data(1024, 16)
export const WEIGHT_SUMS: usize = memory.data(64, 16)

/** Codes of a super-block, a byte each. */
export const CODES: usize = memory.data(256, 16)

/** Scales and minimums of sub-blocks as codes. */
export const SCALE_CODES: usize = memory.data(16, 16)
export const MINIMUM_CODES: usize = memory.data(16, 16)

/** Of the searches through code books: square roots of weights, 7 or 8 signs a byte, packed points of the group at hand. */
export const ROOTS: usize = memory.data(1024, 16)
export const SIGNS: usize = memory.data(32, 16)
export const CHOSEN: usize = memory.data(32, 16)
/** Entries of four numbers at once; errors of 3 levels at 8 places for four scales. */
export const ENTRIES: usize = memory.data(16, 16)
export const TERMS: usize = memory.data(384, 16)
/** Of four inverse scales at once: packed points, which of them lay outside the book, sums. */
export const TRIED: usize = memory.data(128, 16)
export const TRIED_OUTSIDE: usize = memory.data(16, 16)
export const TRIED_PRODUCTS: usize = memory.data(32, 16)
export const TRIED_SQUARES: usize = memory.data(32, 16)

/** Of the ternary searches: places in order of size; sums up to each border, four arrays of up to 36. */
export const ORDER: usize = memory.data(32, 16)
export const SUMS: usize = memory.data(576, 16)

/** Below it a block counts as all zero (ggml's GROUP_MAX_EPS). */
export const ZERO_BELOW: f32 = 1e-15

/** What `findPeaks` found: for each lane the element of largest magnitude, the first one, and that magnitude. */
export const PEAKS: usize = memory.data(16, 16)
export const PEAK_MAGNITUDES: usize = memory.data(16, 16)

/** Over `bytes` of VALUES. */
@inline
export function findPeaks(bytes: usize): void {
  let peak = f32x4.splat(0)
  let largest = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(VALUES + i)
    const magnitude = f32x4.abs(x)
    const isLarger = f32x4.gt(magnitude, largest)
    largest = v128.bitselect(magnitude, largest, isLarger)
    peak = v128.bitselect(x, peak, isLarger)
  }
  v128.store(PEAKS, peak)
  v128.store(PEAK_MAGNITUDES, largest)
}

/** Rows a, b, c, d of 4 as columns. */
@inline
function transposeFour(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const abLow = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
  const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
  const cdLow = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
  const cdHigh = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
  v128.store(to, v128.shuffle<i64>(abLow, cdLow, 0, 2))
  v128.store(to, v128.shuffle<i64>(abLow, cdLow, 1, 3), 16)
  v128.store(to, v128.shuffle<i64>(abHigh, cdHigh, 0, 2), 32)
  v128.store(to, v128.shuffle<i64>(abHigh, cdHigh, 1, 3), 48)
}

/** Four sub-blocks of `size` floats, `stride` bytes apart, as lanes. */
@inline
export function transpose(to: usize, x: usize, size: i32, stride: usize): void {
  for (let i: usize = 0; i < <usize>size << 2; i += 16) {
    const p = x + i
    transposeFour(to + (i << 2), v128.load(p), v128.load(p + stride), v128.load(p + 2 * stride), v128.load(p + 3 * stride))
  }
}

/** As `transpose` for 4 blocks of 32 that follow each other; where fewer than 4 are left, the last one fills the lanes. */
@inline
export function transposeBlocks(to: usize, x: usize, left: i32): void {
  const b = x + (<usize>min(1, left - 1) << 7)
  const c = x + (<usize>min(2, left - 1) << 7)
  const d = x + (<usize>min(3, left - 1) << 7)
  for (let i: usize = 0; i < 128; i += 16) {
    transposeFour(to + (i << 2), v128.load(x + i), v128.load(b + i), v128.load(c + i), v128.load(d + i))
  }
}

/** WEIGHTS = x^2 over `bytes`. */
@inline
export function weighBySquares(bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(VALUES + i)
    v128.store(WEIGHTS + i, f32x4.mul(x, x))
  }
}

/** PRODUCTS = WEIGHTS * VALUES over `bytes`. */
@inline
export function multiplyWeights(bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(PRODUCTS + i, f32x4.mul(v128.load(WEIGHTS + i), v128.load(VALUES + i)))
}

/** Sums of the weights of four sub-blocks of `size`, in order. */
@inline
export function sumWeights(weights: usize, size: i32, to: usize): void {
  let sum = v128.load(weights)
  for (let i: usize = 16; i < <usize>size << 4; i += 16) sum = f32x4.add(sum, v128.load(weights + i))
  v128.store(to, sum)
}

/** Sum of squares of count floats, in order. */
@inline
export function squareSum(x: usize, count: i32): f32 {
  let sum: f32 = 0
  for (const end = x + (<usize>count << 2); x < end; x += 16) {
    const v = v128.load(x)
    const square = f32x4.mul(v, v)
    sum += f32x4.extract_lane(square, 0)
    sum += f32x4.extract_lane(square, 1)
    sum += f32x4.extract_lane(square, 2)
    sum += f32x4.extract_lane(square, 3)
  }
  return sum
}

/** to[i] = importance[i] * sqrt(square + x[i]^2). */
@inline
export function weigh(x: usize, importance: usize, square: f32, bytes: usize, to: usize): void {
  const s = f32x4.splat(square)
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i)
    v128.store(to + i, f32x4.mul(v128.load(importance + i), f32x4.sqrt(f32x4.add(s, f32x4.mul(v, v)))))
  }
}
