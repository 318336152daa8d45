// IQ3_XXS and IQ3_S; plain form in ../../reference/ggml/iq3.ts. `tables` are those of the type's code book (lattice-tables.ts).
import { floatOfHalf } from './half'
import { hasNonFinite } from './lanes'
import { evenSigns, peakOf, scaleCode, signsOf, splitSigns, storeEight } from './lattice-blocks'
import { ALL_WHEN_OUTSIDE, indexOf4, OUTSIDE, searchPoints4 } from './lattice.generated'
import { WORDS_AT } from './lattice-tables'
import { CHOSEN, SCALES, squareSum, weigh, WEIGHTS } from './scratch'
import { largestOf, scaleBits } from './super-block'

/** WEIGHTS = x^2, or by importance with twice the mean square of the super-block; `importance` is 0 without one. */
function weighBlock(x: usize, importance: usize): void {
  if (importance != 0) {
    weigh(x, importance, (<f32>2 * squareSum(x, 256)) / 256, 1024, WEIGHTS)
    return
  }
  for (let i: usize = 0; i < 1024; i += 16) {
    const v = v128.load(x + i)
    v128.store(WEIGHTS + i, f32x4.mul(v, v))
  }
}

@inline
function indexAt(k: usize, tables: usize): u32 {
  return indexOf4(load<u32>(CHOSEN + (k << 2)), tables)
}

function encodeXxs(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 98)
  weighBlock(x, importance)
  splitSigns(x, true)
  for (let j: usize = 0; j < 8; j++) {
    const peak = peakOf(j << 7, 128)
    const scale: f32 = peak < <f32>1e-8 ? NaN : searchPoints4(j << 7, 128, peak, peak / 15, 15, 0.2, OUTSIDE, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : abs(scale))
    if (isDead) continue
    const signs = signsOf(j << 2, scale)
    let bits: u32 = 0
    for (let k: u32 = 0; k < 4; k++) bits |= ((signs >> (8 * k)) & 127) << (7 * k)
    store<u32>(y + (j << 2), bits, 66)
    for (let k: usize = 0; k < 8; k++) store<u8>(y + (j << 3) + k, indexAt(k, tables), 2)
  }
  const largest = largestOf(SCALES, 8)
  if (largest == 0) {
    memory.fill(y, 0, 98)
    return
  }
  const unit: f32 = largest / 31
  const inverse: f32 = <f32>1 / unit
  store<u16>(y, scaleBits(unit * <f32>1.0125))
  for (let j = 0; j < 8; j++) {
    const at = y + 66 + (<usize>j << 2)
    store<u32>(at, load<u32>(at) | (scaleCode(inverse, j) << 28))
  }
}

export function encodeIQ3_XXS(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 98) {
      encodeXxs(x, importance == 0 ? 0 : importance + i, to, tables)
    }
  }
  return 0
}

function encodeS(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 110)
  weighBlock(x, importance)
  splitSigns(x, false)
  // Groups of zeros take no place among low bytes and signs, as in libggml; see the reference.
  let slot: usize = 0
  for (let j: usize = 0; j < 8; j++) {
    const peak = peakOf(j << 7, 128)
    const scale: f32 = peak == 0 ? NaN : searchPoints4(j << 7, 128, peak, peak / 15, 9, 0.2, ALL_WHEN_OUTSIDE, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : abs(scale))
    if (isDead) continue
    let high: u32 = 0
    for (let k: usize = 0; k < 8; k++) {
      const index = indexAt(k, tables)
      store<u8>(y + (slot << 3) + k, index, 2)
      high |= (index >> 8) << <u32>k
    }
    store<u8>(y + j, high, 66)
    store<u32>(y + (slot << 2), signsOf(j << 2, scale), 74)
    slot++
  }
  const largest = largestOf(SCALES, 8)
  if (largest == 0) return
  const unit: f32 = largest / 31
  const inverse: f32 = <f32>1 / unit
  store<u16>(y, scaleBits(unit * <f32>1.033))
  for (let j = 0; j < 4; j++) store<u8>(y + j, scaleCode(inverse, 2 * j) | (scaleCode(inverse, 2 * j + 1) << 4), 106)
}

export function encodeIQ3_S(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 110) {
      encodeS(x, importance == 0 ? 0 : importance + i, to, tables)
    }
  }
  return 0
}

/** Two points of 4 as one of 8. */
@inline
function pairAt(first: u32, second: u32, tables: usize): u32 {
  return load<u32>(tables + WORDS_AT + (<usize>first << 2)) | (load<u32>(tables + WORDS_AT + (<usize>second << 2)) << 16)
}

export function decodeIQ3_XXS(blocks: usize, count: i32, values: usize, tables: usize): void {
  const levels = i8x16(0, 4, 0, 12, 0, 20, 0, 28, 0, 36, 0, 44, 0, 52, 0, 62)
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 98) {
    const d = floatOfHalf(load<u16>(y))
    for (let i: usize = 0; i < 32; i++, values += 32) {
      const bits = load<u32>(y + (i & ~3), 66)
      const scale: f32 = d * (<f32>0.5 + <f32>(bits >> 28)) * <f32>0.5
      const word = pairAt(load<u8>(y + (i << 1), 2), load<u8>(y + (i << 1), 3), tables)
      storeEight(values, word, levels, scale, evenSigns((bits >> (7 * (<u32>i & 3))) & 127))
    }
  }
}

export function decodeIQ3_S(blocks: usize, count: i32, values: usize, tables: usize): void {
  const levels = i8x16(0, 1, 0, 3, 0, 5, 0, 7, 0, 9, 0, 11, 0, 13, 0, 15)
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 110) {
    const d = floatOfHalf(load<u16>(y))
    for (let i: usize = 0; i < 32; i++, values += 32) {
      const j = i >> 2
      const code = (<u32>load<u8>(y + (j >> 1), 106) >> (4 * (<u32>j & 1))) & 15
      const high = <u32>load<u8>(y + j, 66) >> (2 * (<u32>i & 3))
      const first = <u32>load<u8>(y + (i << 1), 2) | ((high & 1) << 8)
      const second = <u32>load<u8>(y + (i << 1), 3) | (((high >> 1) & 1) << 8)
      const odd: u32 = 2 * code + 1
      storeEight(values, pairAt(first, second, tables), levels, d * <f32>odd, load<u8>(y + i, 74))
    }
  }
}
