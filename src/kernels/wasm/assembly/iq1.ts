// IQ1_S and IQ1_M; plain form in ../../reference/ggml/iq1.ts. `tables` are those of their code book (lattice-tables.ts).
import { floatOfHalf } from './half'
import { hasNonFinite, largestF32, nearestInt } from './lanes'
import { indexOf8 } from './lattice.generated'
import { levelBytes } from './lattice-blocks'
import { WORDS_AT } from './lattice-tables'
import { CHOSEN, ROOTS, SCALES, squareSum, TRIED_PRODUCTS, TRIED_SQUARES, VALUES, weigh } from './scratch'
import { floatAt, largestOf, scaleBits } from './super-block'
import { addSums, downBits, searchOneShift, searchTwoShifts } from './ternary-search'

/** VALUES = the super-block, ROOTS = its weights: x^2 where `importance` is 0. */
function weighBlock(x: usize, importance: usize): void {
  memory.copy(VALUES, x, 1024)
  if (importance != 0) {
    weigh(x, importance, (<f32>2 * squareSum(x, 256)) / 256, 1024, ROOTS)
    return
  }
  for (let i: usize = 0; i < 1024; i += 16) {
    const v = v128.load(x + i)
    v128.store(ROOTS + i, f32x4.mul(v, v))
  }
}

function largestMagnitude(from: usize, bytes: usize): f32 {
  let largest = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16) largest = f32x4.pmax(largest, f32x4.abs(v128.load(VALUES + from + i)))
  return largestF32(largest)
}

@inline
function scaleCode(inverse: f32, group: i32): u32 {
  return <u32>min(7, max(0, nearestInt(<f32>0.5 * (inverse * floatAt(SCALES, group) - <f32>1))))
}

@inline
function wordAt(index: u32, tables: usize): u32 {
  return load<u32>(tables + WORDS_AT + (<usize>index << 2))
}

function encodeS(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 50)
  weighBlock(x, importance)
  let down: u32 = 0
  for (let j: usize = 0; j < 8; j++) {
    const scale: f32 = largestMagnitude(j << 7, 128) < <f32>1e-12 ? NaN : searchOneShift(j << 7, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : scale)
    if (isDead) continue
    let high: u32 = 0
    for (let k: u32 = 0; k < 4; k++) {
      const index = indexOf8(load<u32>(CHOSEN + (k << 2)), tables)
      store<u8>(y + (j << 2) + k, index, 2)
      high |= (index >> 8) << (3 * k)
    }
    store<u16>(y + (j << 1), high, 34)
    down |= (downBits() & 1) << <u32>j
  }
  const largest = largestOf(SCALES, 8)
  if (largest == 0) return
  const unit: f32 = largest / 15
  const inverse: f32 = <f32>1 / unit
  store<u16>(y, scaleBits(unit * <f32>1.125))
  for (let j = 0; j < 8; j++) {
    const at = y + 34 + (<usize>j << 1)
    store<u16>(at, <u32>load<u16>(at) | ((scaleCode(inverse, j) | (((down >> j) & 1) << 3)) << 12))
  }
}

export function encodeIQ1_S(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 50) encodeS(x, importance + i, to, tables)
  }
  return 0
}

/** Indices of a group of 16 as \`index\` bytes and high bits; \`word\`s of its points come from the book again in the fit. */
function storeGroup(y: usize, j: usize, tables: usize): void {
  const lower = indexOf8(load<u32>(CHOSEN), tables)
  const upper = indexOf8(load<u32>(CHOSEN, 4), tables)
  store<u8>(y + (j << 1), lower)
  store<u8>(y + (j << 1), upper, 1)
  store<u8>(y + j, (lower >> 8) | ((upper >> 8) << 4), 32)
}

/** Packed point of the half `k` of a group. */
@inline
function pointAt(y: usize, j: usize, k: usize, tables: usize): u32 {
  const high = (<u32>load<u8>(y + j, 32) >> <u32>(k << 2)) & 7
  return wordAt(<u32>load<u8>(y + (j << 1) + k) | (high << 8), tables)
}

function encodeM(x: usize, importance: usize, y: usize, tables: usize): void {
  memory.fill(y, 0, 56)
  weighBlock(x, importance)
  let down: u32 = 0
  for (let j: usize = 0; j < 16; j++) {
    const scale: f32 = largestMagnitude(j << 6, 64) < <f32>1e-7 ? NaN : searchTwoShifts(j << 6, tables)
    const isDead = scale != scale
    store<f32>(SCALES + (j << 2), isDead ? 0 : scale)
    if (isDead) continue
    storeGroup(y, j, tables)
    down |= downBits() << <u32>(2 * j)
  }
  const largest = largestOf(SCALES, 16)
  if (largest == 0) return
  let unit: f32 = largest / 15
  const inverse: f32 = <f32>1 / unit
  store<f32>(TRIED_PRODUCTS, 0)
  store<f32>(TRIED_SQUARES, 0)
  let codes: u64 = 0
  for (let j: usize = 0; j < 16; j++) {
    const code = scaleCode(inverse, <i32>j)
    const shifts = (down >> <u32>(2 * j)) & 3
    const odd: u32 = 2 * code + 1
    addSums(j << 6, pointAt(y, j, 0, tables), (shifts & 1) != 0, <f32>odd)
    addSums((j << 6) + 32, pointAt(y, j, 1, tables), (shifts & 2) != 0, <f32>odd)
    store<u8>(y + j, <u32>load<u8>(y + j, 32) | ((shifts & 1) << 3) | ((shifts & 2) << 6), 32)
    codes |= <u64>code << (16 * (j >> 2) + 3 * (j & 3))
  }
  const square = load<f32>(TRIED_SQUARES)
  if (square > 0) unit = load<f32>(TRIED_PRODUCTS) / square
  const half = <u64>scaleBits(unit * <f32>1.1125)
  for (let k: u64 = 0; k < 4; k++) codes |= ((half >> (4 * k)) & 15) << (16 * k + 12)
  store<u64>(y, codes, 48)
}

export function encodeIQ1_M(x: usize, rows: i32, columns: i32, to: usize, importance: usize, tables: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 56) {
      encodeM(x, importance == 0 ? 0 : importance + i, to, tables)
    }
  }
  return 0
}

/** Eight values: codes of a packed point less 1, with a shift, times a scale. */
@inline
function storeShifted(values: usize, word: u32, scale: f32, isDown: bool): void {
  const codes = i16x8.extend_low_i8x16_s(levelBytes(word, i8x16(0, -1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
  const shift = f32x4.splat(isDown ? <f32>-0.125 : <f32>0.125)
  const s = f32x4.splat(scale)
  v128.store(values, f32x4.mul(s, f32x4.add(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), shift)))
  v128.store(values, f32x4.mul(s, f32x4.add(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), shift)), 16)
}

export function decodeIQ1_S(blocks: usize, count: i32, values: usize, tables: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 50) {
    const d = floatOfHalf(load<u16>(y))
    for (let i: u32 = 0; i < 32; i++, values += 32) {
      const bits = <u32>load<u16>(y + ((i >> 2) << 1), 34)
      const odd: u32 = 2 * ((bits >> 12) & 7) + 1
      const index = <u32>load<u8>(y + i, 2) | (((bits >> (3 * (i & 3))) & 7) << 8)
      storeShifted(values, wordAt(index, tables), d * <f32>odd, bits >= 0x8000)
    }
  }
}

export function decodeIQ1_M(blocks: usize, count: i32, values: usize, tables: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 56) {
    const codes = load<u64>(y, 48)
    let half: u32 = 0
    for (let k: u32 = 0; k < 4; k++) half |= (<u32>(codes >> (16 * k + 12)) & 15) << (4 * k)
    const d = floatOfHalf(half)
    for (let i: u32 = 0; i < 32; i++, values += 32) {
      const j = i >> 1
      const high = <u32>load<u8>(y + j, 32) >> (4 * (i & 1))
      const odd: u32 = 2 * (<u32>(codes >> (16 * (j >> 2) + 3 * (j & 3))) & 7) + 1
      storeShifted(values, wordAt(<u32>load<u8>(y + i) | ((high & 7) << 8), tables), d * <f32>odd, (high & 8) != 0)
    }
  }
}
