// The searches of the IQ1 types; plain form in ../../reference/ggml/ternary-search.ts. A super-block lies in VALUES with its signs,
// its weights in ROOTS, by which the search through a code book takes errors. Groups begin at byte `from`.
import { bestOf8, prepareTerms } from './lattice.generated'
import { CHOSEN, CODES, ORDER, ROOTS, SUMS, TRIED_PRODUCTS, TRIED_SQUARES, VALUES } from './scratch'

/** Sums in order of size up to each border: of weight * x and of weight, for a group or for its first half. */
const PRODUCTS_AT = SUMS
const COUNTS_AT: usize = SUMS + 144
/** As above for the second half. */
const OTHER_PRODUCTS_AT: usize = SUMS + 288
const OTHER_COUNTS_AT: usize = SUMS + 432

/** The borders found and the scale that fits them; see `bestRuns` of the reference. `first` is -1 when no weight counts. */
let first: i32 = -1
let second: i32 = -1
let shifts: i32 = 0
let scale: f32 = 0
let best: f32 = 0

/** Level of a code with a shift of 1/8. */
@inline
export function shiftedLevel(code: u32, isDown: bool): f32 {
  const whole: f32 = <f32>(<i32>code) - <f32>1
  return isDown ? whole - <f32>0.125 : whole + <f32>0.125
}

/** ORDER = places of `bytes` / 4 values from the least to the largest, equal ones in their order. */
function sort(from: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 4) {
    const x = v128.load32_splat(VALUES + from + i)
    const own = i & ~15
    // Before it come smaller values, and equal ones at earlier places. A comparison that holds is -1.
    const isEarlier = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(<i32>((i & 15) >> 2)))
    const v = v128.load(VALUES + from + own)
    let rank = v128.bitselect(f32x4.le(v, x), f32x4.lt(v, x), isEarlier)
    for (let j: usize = 0; j < own; j += 16) rank = i32x4.add(rank, f32x4.le(v128.load(VALUES + from + j), x))
    for (let j = own + 16; j < bytes; j += 16) rank = i32x4.add(rank, f32x4.lt(v128.load(VALUES + from + j), x))
    rank = i32x4.add(rank, v128.shuffle<i64>(rank, rank, 1, 0))
    rank = i32x4.add(rank, v128.shuffle<i32>(rank, rank, 1, 0, 3, 2))
    store<u8>(ORDER - i32x4.extract_lane(rank, 0), <u32>(i >> 2))
  }
}

/** The sums up to each border over the places in [start, end). */
function sumRuns(from: usize, size: i32, start: i32, end: i32, products: usize, counts: usize): void {
  let product: f32 = 0
  let count: f32 = 0
  store<f32>(products, 0)
  store<f32>(counts, 0)
  for (let rank: usize = 0; rank < <usize>size; rank++) {
    const place = <i32>load<u8>(ORDER + rank)
    if (place >= start && place < end) {
      const at = from + (<usize>place << 2)
      const weight = load<f32>(ROOTS + at)
      product += weight * load<f32>(VALUES + at)
      count += weight
    }
    store<f32>(products + (rank << 2), product, 4)
    store<f32>(counts + (rank << 2), count, 4)
  }
}

/** Which lanes leave less error than the best so far. */
@inline
function better(product: v128, square: v128): v128 {
  const isLess = f32x4.gt(f32x4.mul(product, product), f32x4.mul(f32x4.splat(best), square))
  return v128.and(isLess, f32x4.gt(square, f32x4.splat(0)))
}

/** Takes the borders of a lane of the sums at TRIED_PRODUCTS and TRIED_SQUARES when they leave less error than the best so far. */
function consider(start: i32, end: i32, which: i32, lane: usize): void {
  const product = load<f32>(TRIED_PRODUCTS + (lane << 2))
  const square = load<f32>(TRIED_SQUARES + (lane << 2))
  if (!(square > 0 && product * product > best * square)) return
  scale = product / square
  best = scale * product
  first = start
  second = end
  shifts = which
}

/** The sums of four second borders with one shift. */
@inline
function fourProducts(start: usize, end: usize, low: f32, middle: f32, high: f32): v128 {
  const lower = v128.load32_splat(PRODUCTS_AT + (start << 2))
  const upper = v128.load(PRODUCTS_AT + (end << 2))
  const inner = f32x4.mul(f32x4.sub(upper, lower), f32x4.splat(middle))
  const outer = f32x4.mul(f32x4.sub(v128.load32_splat(PRODUCTS_AT, 128), upper), f32x4.splat(high))
  return f32x4.add(f32x4.add(f32x4.mul(lower, f32x4.splat(low)), inner), outer)
}

@inline
function fourSquares(start: usize, end: usize, low: f32, middle: f32, high: f32): v128 {
  const l = f32x4.splat(low)
  const m = f32x4.splat(middle)
  const h = f32x4.splat(high)
  const lower = v128.load32_splat(COUNTS_AT + (start << 2))
  const upper = v128.load(COUNTS_AT + (end << 2))
  const inner = f32x4.mul(f32x4.mul(f32x4.sub(upper, lower), m), m)
  const outer = f32x4.mul(f32x4.mul(f32x4.sub(v128.load32_splat(COUNTS_AT, 128), upper), h), h)
  return f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(lower, l), l), inner), outer)
}

/** Borders of a group of 32 with one shift, four second borders at a time. */
function findOneShift(from: usize): void {
  sort(from, 128)
  sumRuns(from, 32, 0, 32, PRODUCTS_AT, COUNTS_AT)
  first = -1
  best = -f32.MAX_VALUE
  for (let start = 0; start <= 32; start++) {
    for (let end = start; end <= 32; end += 4) {
      const upProducts = fourProducts(start, end, -0.875, 0.125, 1.125)
      const upSquares = fourSquares(start, end, -0.875, 0.125, 1.125)
      const downProducts = fourProducts(start, end, -1.125, -0.125, 0.875)
      const downSquares = fourSquares(start, end, -1.125, -0.125, 0.875)
      if (!v128.any_true(v128.or(better(upProducts, upSquares), better(downProducts, downSquares)))) continue
      v128.store(TRIED_PRODUCTS, upProducts)
      v128.store(TRIED_PRODUCTS, downProducts, 16)
      v128.store(TRIED_SQUARES, upSquares)
      v128.store(TRIED_SQUARES, downSquares, 16)
      const many = min(4, 33 - end)
      for (let k = 0; k < many; k++) {
        consider(start, end + k, 0, k)
        consider(start, end + k, 1, k + 4)
      }
    }
  }
}

/** Borders of a group of 16, the four pairs of shifts of its halves (up up, up down, down up, down down) at a time. */
function findTwoShifts(from: usize): void {
  sort(from, 64)
  sumRuns(from, 16, 0, 8, PRODUCTS_AT, COUNTS_AT)
  sumRuns(from, 16, 8, 16, OTHER_PRODUCTS_AT, OTHER_COUNTS_AT)
  first = -1
  best = -f32.MAX_VALUE
  const high = f32x4(1.125, 1.125, 0.875, 0.875)
  const otherHigh = f32x4(1.125, 0.875, 1.125, 0.875)
  const allProducts = f32x4.mul(v128.load32_splat(PRODUCTS_AT, 64), high)
  const otherAllProducts = f32x4.mul(v128.load32_splat(OTHER_PRODUCTS_AT, 64), otherHigh)
  const allSquares = f32x4.mul(f32x4.mul(v128.load32_splat(COUNTS_AT, 64), high), high)
  const otherAllSquares = f32x4.mul(f32x4.mul(v128.load32_splat(OTHER_COUNTS_AT, 64), otherHigh), otherHigh)
  for (let start: usize = 0; start <= 64; start += 4) {
    // Squares of the low less those of the middle level, then of the middle less those of the high one.
    const lower = f32x4.add(f32x4.mul(v128.load32_splat(COUNTS_AT + start), f32x4(0.75, 0.75, 1.25, 1.25)), allSquares)
    const otherLower = f32x4.add(f32x4.mul(v128.load32_splat(OTHER_COUNTS_AT + start), f32x4(0.75, 1.25, 0.75, 1.25)), otherAllSquares)
    const product = load<f32>(PRODUCTS_AT + start)
    const otherProduct = load<f32>(OTHER_PRODUCTS_AT + start)
    for (let end = start; end <= 64; end += 4) {
      const squares = f32x4.add(f32x4.mul(v128.load32_splat(COUNTS_AT + end), f32x4(-1.25, -1.25, -0.75, -0.75)), lower)
      const others = f32x4.add(f32x4.mul(v128.load32_splat(OTHER_COUNTS_AT + end), f32x4(-1.25, -0.75, -1.25, -0.75)), otherLower)
      const square = f32x4.add(squares, others)
      const products = f32x4.add(
        f32x4.sub(allProducts, f32x4.splat(load<f32>(PRODUCTS_AT + end) + product)),
        f32x4.sub(otherAllProducts, f32x4.splat(load<f32>(OTHER_PRODUCTS_AT + end) + otherProduct)),
      )
      if (!v128.any_true(better(products, square))) continue
      v128.store(TRIED_PRODUCTS, products)
      v128.store(TRIED_SQUARES, square)
      for (let k = 0; k < 4; k++) consider(<i32>(start >> 2), <i32>(end >> 2), k, k)
    }
  }
}

/** CODES of the runs in their places, turned over when the scale is negative. */
function storeCodes(size: i32): void {
  const isTurned = scale < 0
  for (let rank = 0; rank < size; rank++) {
    const code: u32 = rank < first ? 0 : rank < second ? 1 : 2
    store<u8>(CODES + load<u8>(ORDER + rank), isTurned ? 2 - code : code)
  }
}

/** The packed point of the 8 codes from place 8 k on, or the neighbour that takes their place; bit 31 of the result tells which. */
function pointOf(from: usize, k: usize, isDown: bool, tables: usize): u32 {
  let number: usize = 0
  for (let i: i32 = 7; i >= 0; i--) number = number * 3 + load<u8>(CODES + (k << 3) + i)
  const entry = load<u32>(tables + (number << 2))
  if (<i32>entry >= 0) return entry
  const low = f32x4.splat(scale * shiftedLevel(0, isDown))
  const middle = f32x4.splat(scale * shiftedLevel(1, isDown))
  prepareTerms(from + (k << 5), low, middle, f32x4.splat(scale * shiftedLevel(2, isDown)))
  return i32x4.extract_lane(bestOf8(entry, tables), 0) | 0x80000000
}

/** Adds weight * x * level and weight * level^2 of a packed point, levels times `factor`, to the sums at TRIED_PRODUCTS and TRIED_SQUARES. */
export function addSums(at: usize, word: u32, isDown: bool, factor: f32): void {
  let product = load<f32>(TRIED_PRODUCTS)
  let square = load<f32>(TRIED_SQUARES)
  for (let i: u32 = 0; i < 8; i++) {
    const level: f32 = shiftedLevel((word >> (4 * i + 1)) & 3, isDown) * factor
    const weighted: f32 = load<f32>(ROOTS + at + (i << 2)) * level
    product += weighted * load<f32>(VALUES + at + (i << 2))
    square += weighted * level
  }
  store<f32>(TRIED_PRODUCTS, product)
  store<f32>(TRIED_SQUARES, square)
}

/** Moves the codes into the book: packed points in CHOSEN; the scale fitted again when one lay outside. `down` has a bit a point. */
function settle(from: usize, points: usize, down: u32, tables: usize): f32 {
  scale = abs(scale)
  let isOutside = false
  for (let k: usize = 0; k < points; k++) {
    const word = pointOf(from, k, ((down >> <u32>k) & 1) != 0, tables)
    isOutside = isOutside || <i32>word < 0
    store<u32>(CHOSEN + (k << 2), word & 0x7fffffff)
  }
  if (!isOutside) return scale
  store<f32>(TRIED_PRODUCTS, 0)
  store<f32>(TRIED_SQUARES, 0)
  for (let k: usize = 0; k < points; k++) addSums(from + (k << 5), load<u32>(CHOSEN + (k << 2)), ((down >> <u32>k) & 1) != 0, 1)
  const product = load<f32>(TRIED_PRODUCTS)
  const square = load<f32>(TRIED_SQUARES)
  return product > 0 && square > 0 ? product / square : scale
}

/** Bits of the points whose shift is down, of the last group searched. */
export function downBits(): u32 {
  return <u32>shifts
}

/** Scale of a group of 32, its points in CHOSEN; NaN when nothing of it is written. */
export function searchOneShift(from: usize, tables: usize): f32 {
  findOneShift(from)
  if (first < 0) return NaN
  shifts = (shifts == 1) != scale < 0 ? 15 : 0
  storeCodes(32)
  return settle(from, 4, shifts, tables)
}

/** As above of a group of 16. */
export function searchTwoShifts(from: usize, tables: usize): f32 {
  findTwoShifts(from)
  if (first < 0) return NaN
  const pair = scale < 0 ? 3 - shifts : shifts
  shifts = (pair >> 1) | ((pair & 1) << 1)
  storeCodes(16)
  return settle(from, 2, shifts, tables)
}
