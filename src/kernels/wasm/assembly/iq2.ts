// IQ2_XXS, IQ2_XS and IQ2_S; plain form in ../../reference/ggml/iq2.ts. `tables` are those of the type's code book
// (lattice-tables.ts).
import { floatOfHalf } from './half'
import { hasNonFinite } from './lanes'
import { evenSigns, peakOf, scaleCode, signsOf, splitSigns, storeEight, storeScaleCodes } from './lattice-blocks'
import { ALL, indexOf8, OUTSIDE, searchPoints8 } from './lattice.generated'
import { WORDS_AT } from './lattice-tables'
import { CHOSEN, CODES, SCALES, squareSum, VALUES, weigh, WEIGHTS, ZERO_BELOW } from './scratch'
import { largestOf, scaleBits, searchPositive } from './super-block'

/** Scale of a group of 32 and its points in CHOSEN; NaN for one of which nothing is written. */
function searchXxs(from: usize, tables: usize): f32 {
  if (peakOf(from, 128) < ZERO_BELOW) return NaN
  const scale = searchPositive(VALUES + from, WEIGHTS + from, 32, 4, CODES)
  const range: f32 = scale * 3
  if (range <= 0) return NaN
  return searchPoints8(from, 128, range, scale, 6, 0.1, ALL, tables)
}

/** As `searchXxs` for the groups of 16 of the other two. */
function searchSixteen(from: usize, zeroBelow: f32, tables: usize): f32 {
  const peak = peakOf(from, 64)
  if (peak < zeroBelow) return NaN
  return searchPoints8(from, 64, peak, peak / 5, 9, 0.1, OUTSIDE, tables)
}

function indexAt(k: usize, tables: usize): u32 {
  return indexOf8(load<u32>(CHOSEN + (k << 2)), tables)
}

function encodeXxs(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 66)
  weigh(x, importance, squareSum(x, 256) / 256, 1024, WEIGHTS)
  splitSigns(x, true)
  for (let j: usize = 0; j < 8; j++) {
    const scale = searchXxs(j << 7, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : abs(scale))
    if (isDead) continue
    const signs = signsOf(j << 2, scale)
    let bits: u32 = 0
    for (let k: u32 = 0; k < 4; k++) {
      store<u8>(y + (j << 3) + k, indexAt(k, tables), 2)
      bits |= ((signs >> (8 * k)) & 127) << (7 * k)
    }
    store<u32>(y + (j << 3), bits, 6)
  }
  const largest = largestOf(SCALES, 8)
  if (largest == 0) {
    memory.fill(y, 0, 66)
    return
  }
  const unit: f32 = largest / 31
  const inverse: f32 = <f32>1 / unit
  store<u16>(y, scaleBits(unit))
  for (let j = 0; j < 8; j++) {
    const at = y + 6 + (<usize>j << 3)
    store<u32>(at, load<u32>(at) | (scaleCode(inverse, j) << 28))
  }
}

export function encodeIQ2_XXS(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 66) encodeXxs(x, importance + i, to, tables)
  }
  return 0
}

function encodeXs(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 74)
  weigh(x, importance, squareSum(x, 256) / 256, 1024, WEIGHTS)
  splitSigns(x, true)
  for (let j: usize = 0; j < 16; j++) {
    const scale = searchSixteen(j << 6, ZERO_BELOW, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : abs(scale))
    if (isDead) continue
    const signs = signsOf(j << 1, scale)
    store<u16>(y + (j << 2), indexAt(0, tables) | ((signs & 127) << 9), 2)
    store<u16>(y + (j << 2), indexAt(1, tables) | (((signs >> 8) & 127) << 9), 4)
  }
  const largest = largestOf(SCALES, 16)
  if (largest == 0) {
    memory.fill(y, 0, 74)
    return
  }
  const unit: f32 = largest / 31
  store<u16>(y, scaleBits(unit))
  storeScaleCodes(<f32>1 / unit, y + 66)
}

export function encodeIQ2_XS(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 74) encodeXs(x, importance + i, to, tables)
  }
  return 0
}

/** WEIGHTS by importance, or where that is 0 as x^2 and a quarter of its double mean. */
function weighS(x: usize, importance: usize): void {
  const mean: f32 = (<f32>2 * squareSum(x, 256)) / 256
  if (importance != 0) {
    weigh(x, importance, mean, 1024, WEIGHTS)
    return
  }
  const square = f32x4.splat(<f32>0.25 * mean)
  for (let i: usize = 0; i < 1024; i += 16) {
    const v = v128.load(x + i)
    v128.store(WEIGHTS + i, f32x4.add(square, f32x4.mul(v, v)))
  }
}

function encodeS(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 82)
  weighS(x, importance)
  splitSigns(x, false)
  for (let j: usize = 0; j < 16; j++) {
    const scale = searchSixteen(j << 6, 1e-8, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : abs(scale))
    if (isDead) continue
    const first = indexAt(0, tables)
    const second = indexAt(1, tables)
    const high = y + 66 + (j >> 1)
    store<u16>(y + (j << 1), (first & 255) | (second << 8), 2)
    store<u16>(y + (j << 1), signsOf(j << 1, scale), 34)
    store<u8>(high, load<u8>(high) | (((first >> 8) | ((second >> 8) << 2)) << (4 * (<u32>j & 1))))
  }
  const largest = largestOf(SCALES, 16)
  if (largest == 0) return
  const unit: f32 = largest / 31
  store<u16>(y, scaleBits(unit * <f32>0.9875))
  storeScaleCodes(<f32>1 / unit, y + 74)
}

export function encodeIQ2_S(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 82) {
      encodeS(x, importance == 0 ? 0 : importance + i, to, tables)
    }
  }
  return 0
}

/** Levels 8, 25 and 43 where packed points have 1, 3 and 5. */
@inline
function decodedLevels(): v128 {
  return i8x16(0, 8, 0, 25, 0, 43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

@inline
function wordAt(index: u32, tables: usize): u32 {
  return load<u32>(tables + WORDS_AT + (<usize>index << 2))
}

@inline
function groupScale(d: f32, code: u32): f32 {
  return d * (<f32>0.5 + <f32>code) * <f32>0.25
}

export function decodeIQ2_XXS(blocks: usize, count: i32, values: usize, tables: usize): void {
  const levels = decodedLevels()
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 66) {
    const d = floatOfHalf(load<u16>(y))
    for (let j: usize = 0; j < 8; j++) {
      const from = y + (j << 3)
      const bits = load<u32>(from, 6)
      const scale = groupScale(d, bits >> 28)
      for (let k: u32 = 0; k < 4; k++, values += 32) {
        storeEight(values, wordAt(load<u8>(from + k, 2), tables), levels, scale, evenSigns((bits >> (7 * k)) & 127))
      }
    }
  }
}

export function decodeIQ2_XS(blocks: usize, count: i32, values: usize, tables: usize): void {
  const levels = decodedLevels()
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 74) {
    const d = floatOfHalf(load<u16>(y))
    for (let i: usize = 0; i < 32; i++, values += 32) {
      const pair = <u32>load<u16>(y + (i << 1), 2)
      const code = (<u32>load<u8>(y + (i >> 2), 66) >> (4 * ((<u32>i >> 1) & 1))) & 15
      storeEight(values, wordAt(pair & 511, tables), levels, groupScale(d, code), evenSigns(pair >> 9))
    }
  }
}

export function decodeIQ2_S(blocks: usize, count: i32, values: usize, tables: usize): void {
  const levels = decodedLevels()
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 82) {
    const d = floatOfHalf(load<u16>(y))
    for (let i: usize = 0; i < 32; i++, values += 32) {
      const high = (<u32>load<u8>(y + (i >> 2), 66) >> (2 * (<u32>i & 3))) & 3
      const code = (<u32>load<u8>(y + (i >> 2), 74) >> (4 * ((<u32>i >> 1) & 1))) & 15
      const word = wordAt(<u32>load<u8>(y + i, 2) | (high << 8), tables)
      storeEight(values, word, levels, groupScale(d, code), load<u8>(y + i, 34))
    }
  }
}
