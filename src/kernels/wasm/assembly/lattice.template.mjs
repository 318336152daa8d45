// The search of lattice-search.ts in the reference for points of 4 and of 8 weights, which differ in their unrolled steps. Four
// inverse scales lie side by side in the lanes of a vector, each in the order of its own elements.

const range = (count) => [...Array(count).keys()]

/** 2^22, which `nearest_int` leaves in the bits of a rounded number; after a mask codes lie above it. */
const offset = 0x400000

/** The number of a point from codes that still hold the offset, the last one first. */
const numberOf = ({ dimensions, levels }) => {
  const steps = range(dimensions - 1)
    .map((i) => dimensions - 2 - i)
    .map((i) =>
      levels === 8
        ? `      number = i32x4.add(i32x4.shl(number, 3), code${i})`
        : `      number = i32x4.add(i32x4.add(number, i32x4.shl(number, 1)), code${i})`,
    )
  const bias = range(dimensions).reduce((sum, i) => (sum + offset * levels ** i) % 2 ** 32, 0)
  return `      let number = code${dimensions - 1}
${steps.join('\n')}
      number = i32x4.sub(number, i32x4.splat(${bias | 0}))`
}

/** Level i of four packed points as f32. */
const level = (word, i, dimensions) => {
  const shifted = i === 0 ? word : `i32x4.shr_u(${word}, ${4 * i})`
  return `f32x4.convert_i32x4_s(${i === 7 && dimensions === 8 ? shifted : `v128.and(${shifted}, fifteen)`})`
}

/** Of 8 weights with 3 levels: a term for each level at each place once, then sums of them. */
const bestOfEight = `
/** Weighted squared errors of three levels for the 8 weights from byte \`e\` on, in four tries, to TERMS. */
export function prepareTerms(e: usize, first: v128, second: v128, third: v128): void {
${range(8)
  .map(
    (i) => `  {
    const x = v128.load32_splat(VALUES + e, ${4 * i})
    const w = v128.load32_splat(ROOTS + e, ${4 * i})
    const a = f32x4.sub(first, x)
    const b = f32x4.sub(second, x)
    const c = f32x4.sub(third, x)
    v128.store(TERMS, f32x4.mul(f32x4.mul(w, a), a), ${48 * i})
    v128.store(TERMS, f32x4.mul(f32x4.mul(w, b), b), ${48 * i + 16})
    v128.store(TERMS, f32x4.mul(f32x4.mul(w, c), c), ${48 * i + 32})
  }`,
  )
  .join('\n')}
}

/** The packed neighbour of least weighted error in each of the four tries of TERMS, the first one. */
export function bestOf8(entry: u32, tables: usize): v128 {
  const records = tables + RECORDS_AT
  let p = tables + LISTS_AT + (<usize>((entry & 0x7fffffff) >> 9) << 1)
  const end = p + (<usize>(entry & 511) << 1)
  let best = f32x4.splat(f32.MAX_VALUE)
  let word = v128.load32_splat(records + load<u16>(p), 8)
  for (; p < end; p += 2) {
    const record = records + load<u16>(p)
    let error = v128.load(TERMS + load<u8>(record))
${range(7)
  .map((i) => `    error = f32x4.add(error, v128.load(TERMS + load<u8>(record, ${i + 1}), ${48 * (i + 1)}))`)
  .join('\n')}
    word = v128.bitselect(v128.load32_splat(record, 8), word, f32x4.lt(error, best))
    best = f32x4.pmin(best, error)
  }
  return word
}
`

/** Of 4 weights with 8 levels most terms would go unused. */
const bestOfFour = `
/** The packed neighbour of least weighted error for the 4 weights from byte \`e\` on at each of four scales, the first one. */
function bestOf4(entry: u32, e: usize, scales: v128, tables: usize): v128 {
${range(4)
  .map(
    (i) => `  const x${i} = v128.load32_splat(VALUES + e, ${4 * i})
  const w${i} = v128.load32_splat(ROOTS + e, ${4 * i})`,
  )
  .join('\n')}
  const records = tables + RECORDS_AT
  let p = tables + LISTS_AT + (<usize>((entry & 0x7fffffff) >> 9) << 1)
  const end = p + (<usize>(entry & 511) << 1)
  let best = f32x4.splat(f32.MAX_VALUE)
  let word = v128.load32_splat(records + load<u16>(p), 16)
  for (; p < end; p += 2) {
    const record = records + load<u16>(p)
    let off = f32x4.sub(f32x4.mul(scales, v128.load32_splat(record)), x0)
    let error = f32x4.mul(f32x4.mul(w0, off), off)
${[1, 2, 3]
  .map(
    (i) => `    off = f32x4.sub(f32x4.mul(scales, v128.load32_splat(record, ${4 * i})), x${i})
    error = f32x4.add(error, f32x4.mul(f32x4.mul(w${i}, off), off))`,
  )
  .join('\n')}
    word = v128.bitselect(v128.load32_splat(record, 16), word, f32x4.lt(error, best))
    best = f32x4.pmin(best, error)
  }
  return word
}
`

const search = ({ dimensions, levels }) => {
  const each = (line) => range(dimensions).map(line).join('\n')
  const pointBytes = dimensions * 4
  const largest = levels - 1
  const bestOf = (entry, scales) => (dimensions === 8 ? `bestOf8(${entry}, tables)` : `bestOf4(${entry}, e, ${scales}, tables)`)
  const prepared = (scales) => 
    dimensions === 8 ? `prepareTerms(e, ${scales}, f32x4.mul(${scales}, f32x4.splat(3)), f32x4.mul(${scales}, f32x4.splat(5)))` : ''
  return `${dimensions === 8 ? bestOfEight : bestOfFour}
/** As the tries below for one inverse scale: the packed point of the weights from byte \`e\` on, and whether it lay outside. */
function pointOf${dimensions}(e: usize, inverse: f32, scale: f32, tables: usize): u32 {
  let number: u32 = 0
  for (let i: i32 = ${dimensions - 1}; i >= 0; i--) {
    const code = nearestInt(<f32>0.5 * (inverse * load<f32>(VALUES + e + (<usize>i << 2)) - <f32>1))
    number = number * ${levels} + <u32>min(${largest}, max(0, code))
  }
  const entry = load<u32>(tables + (<usize>number << 2))
  if (<i32>entry >= 0) return entry
  const scales = f32x4.splat(scale)
  ${prepared('scales')}
  return i32x4.extract_lane(${bestOf('entry', 'scales')}, 0)
}

/**
 * Scale of the group of \`bytes\` from byte \`from\` on, its packed points in CHOSEN; see \`searchLattice\`. \`scale\` is the first guess,
 * \`again\` one of the constants above.
 */
export function searchPoints${dimensions}(
  from: usize,
  bytes: usize,
  range: f32,
  scale: f32,
  steps: i32,
  step: f32,
  again: i32,
  tables: usize,
): f32 {
  const fifteen = i32x4.splat(15)
  const one = f32x4.splat(1)
  const half = f32x4.splat(0.5)
  const magic = f32x4.splat(MAGIC)
  const mask = i32x4.splat(0x7fffff)
  const low = i32x4.splat(${offset})
  const high = i32x4.splat(${offset + largest})
  const points: usize = bytes / ${pointBytes}
  let best: f32 = 0
  let outside: u32 = again == OUTSIDE ? 0 : 0xff
  for (let p: usize = 0; p < points; p++) store<u32>(CHOSEN + (p << 2), ${dimensions === 8 ? '0x11111111' : '0x1111'})
  for (let k = -steps; k <= steps; k += 4) {
    const many = min(4, steps - k + 1)
    const ks = f32x4.convert_i32x4_s(i32x4.add(i32x4.splat(k), i32x4(0, 1, 2, 3)))
    const inverse = f32x4.div(f32x4.add(f32x4.splat(${2 * largest + 1}), f32x4.mul(ks, f32x4.splat(step))), f32x4.splat(range))
    const scales = f32x4.div(one, inverse)
    let product = f32x4.splat(0)
    let square = f32x4.splat(0)
    for (let p: usize = 0; p < points; p++) {
      const e = from + p * ${pointBytes}
${each(
  (i) => `      let code${i} = f32x4.mul(half, f32x4.sub(f32x4.mul(inverse, v128.load32_splat(VALUES + e, ${4 * i})), one))
      code${i} = i32x4.min_s(high, i32x4.max_s(low, v128.and(f32x4.add(code${i}, magic), mask)))`,
)}
${numberOf({ dimensions, levels })}
      number = i32x4.shl(number, 2)
      let words = v128.load32_zero(tables + <usize>i32x4.extract_lane(number, 0))
      words = v128.load_lane<u32>(tables + <usize>i32x4.extract_lane(number, 1), words, 1)
      words = v128.load_lane<u32>(tables + <usize>i32x4.extract_lane(number, 2), words, 2)
      words = v128.load_lane<u32>(tables + <usize>i32x4.extract_lane(number, 3), words, 3)
      let off = i32x4.bitmask(words) & ((1 << many) - 1)
      store<u8>(TRIED_OUTSIDE + p, off)
      if (off != 0) {
        // Neighbouring scales often lead to the same number: each list is searched once for all of its lanes.
        const entries = words
        v128.store(ENTRIES, entries)
        ${prepared('scales')}
        do {
          const entry = load<u32>(ENTRIES + (<usize>ctz(off) << 2))
          const own = i32x4.eq(entries, i32x4.splat(entry))
          words = v128.bitselect(${bestOf('entry', 'scales')}, words, own)
          off &= ~i32x4.bitmask(own)
        } while (off != 0)
      }
      v128.store(TRIED + (p << 4), words)
${each(
  (i) => `      const level${i} = ${level('words', i, dimensions)}
      product = f32x4.add(product, f32x4.mul(v128.load32_splat(PRODUCTS + e, ${4 * i}), level${i}))
      square = f32x4.add(square, f32x4.mul(f32x4.mul(v128.load32_splat(WEIGHTS + e, ${4 * i}), level${i}), level${i}))`,
)}
    }
    v128.store(TRIED_PRODUCTS, product)
    v128.store(TRIED_SQUARES, square)
    let kept = -1
    for (let lane = 0; lane < many; lane++) {
      const ownProduct = load<f32>(TRIED_PRODUCTS + (<usize>lane << 2))
      const ownSquare = load<f32>(TRIED_SQUARES + (<usize>lane << 2))
      if (ownSquare > 0 && ownProduct * ownProduct > best * ownSquare) {
        scale = ownProduct / ownSquare
        best = scale * ownProduct
        kept = lane
      }
    }
    if (kept < 0) continue
    outside = 0
    for (let p: usize = 0; p < points; p++) {
      store<u32>(CHOSEN + (p << 2), load<u32>(TRIED + (p << 4) + (<usize>kept << 2)))
      outside |= ((<u32>load<u8>(TRIED_OUTSIDE + p) >> kept) & 1) << <u32>p
    }
  }
  if (!(scale > 0) || (outside == 0 && again != ALL)) return scale
  const found: f32 = <f32>1 / scale
  let product: f32 = 0
  let square: f32 = 0
  for (let p: usize = 0; p < points; p++) {
    const e = from + p * ${pointBytes}
    if (again != OUTSIDE || (outside >> <u32>p) & 1) store<u32>(CHOSEN + (p << 2), pointOf${dimensions}(e, found, scale, tables))
    const word = load<u32>(CHOSEN + (p << 2))
    for (let i: usize = 0; i < ${dimensions}; i++) {
      const level = <f32>((word >> <u32>(i << 2)) & 15)
      product += load<f32>(PRODUCTS + e + (i << 2)) * level
      square += load<f32>(WEIGHTS + e + (i << 2)) * level * level
    }
  }
  return square > 0 ? product / square : scale
}

/** Index in its book of a packed point. */
export function indexOf${dimensions}(word: u32, tables: usize): u32 {
  let number: usize = 0
  for (let i: i32 = ${dimensions - 1}; i >= 0; i--) number = number * ${levels} + ((word >> (i << 2)) & 15) / 2
  return load<u16>(tables + INDICES_AT + (number << 1))
}
`
}

export const source = `// Written by lattice.template.mjs; change that.
import { INDICES_AT, LISTS_AT, RECORDS_AT } from './lattice-tables'
import { MAGIC, nearestInt } from './lanes'
import {
  CHOSEN,
  ENTRIES,
  PRODUCTS,
  ROOTS,
  TERMS,
  TRIED,
  TRIED_OUTSIDE,
  TRIED_PRODUCTS,
  TRIED_SQUARES,
  VALUES,
  WEIGHTS,
} from './scratch'

/** What the last pass looks up again with the scale found: points that lay outside the book, all when one did, all in any case. */
export const OUTSIDE = 0
export const ALL_WHEN_OUTSIDE = 1
export const ALL = 2
${search({ dimensions: 8, levels: 3 })}${search({ dimensions: 4, levels: 8 })}`
