// AssemblyScript has neither closures nor macros, so the searches for scales are written by this script, unrolled and with
// their limits as constants. A lane is a sub-block: each follows the order of the reference (../../reference/ggml/searches.ts)
// step by step, and four are done at once.

const range = (count) => [...Array(count).keys()]
const lines = (count, line) => range(count).map(line).join('\n')
const float = (value) => (Number.isInteger(value) ? `${value}.0` : `${value}`)
const vectorBytes = 16

/**
 * `make_qkx2_quants` and `make_qkx3_quants` for the 256 elements of a super-block. Each pass is a small loop of its own over one
 * group of four sub-blocks, so that its sums stay in registers; the groups take turns, so that one begins while the last sums
 * of another are still under way.
 */
const affine = ({ name, size, largest, first, step, steps, isAbsolute = false }) => {
  const groups = 64 / size
  const each = (line) => lines(groups, line)
  const stride = size * vectorBytes
  const overElements = (g, body) => `
    for (let i: usize = ${g * stride}; i < ${(g + 1) * stride}; i += ${2 * vectorBytes}) {
${lines(2, (u) => body(u * vectorBytes))}
    }`
  // The upper bound as integers: bits of floats from MAGIC on are in their order, and integer minima leave the adders free. NaN becomes 0.
  const nearestCode = (g) => `f32x4.sub(
        i32x4.min_s(top, f32x4.pmax(magic, f32x4.add(f32x4.mul(inverse${g}, f32x4.sub(x, low${g})), magic))), magic)`
  const loss = isAbsolute ? 'f32x4.abs(off)' : 'f32x4.mul(off, off)'
  const addError = (at, sum, scale, minimum) => `
      off = f32x4.sub(f32x4.add(f32x4.mul(${scale}, code), ${minimum}), x)
      ${sum} = f32x4.add(${sum}, f32x4.mul(v128.load(i, WEIGHTS + ${at}), ${loss}))`
  const addErrors = (g) => `
    error${g} = zero
${overElements(
  g,
  (at) => `      x = v128.load(i, VALUES + ${at})
      code = v128.load(i, LEVELS + ${at})${addError(at, `error${g}`, `triedScale${g}`, `triedLow${g}`)}`,
)}`
  // Sub-blocks of 16 have too little to add up for that to pay.
  const isForeseen = !isAbsolute && size === 32
  // Of squares the sums tell the error as well, though less exactly, and most candidates are that much worse: w (s c + m - x)^2
  // adds up to s^2 cc + m^2 w + xx + 2 (m (s c - x) - s cx), where cc is the sum of w c^2 and so on. No term is larger than
  // B = s^2 cc + m^2 w + xx (Cauchy and Schwarz), and all roundings of both ways are below 160 units of 2^-24 of it: each of 32
  // products and their sum 33 in terms of 3 B, what joins them 21, the other way's own 39.
  const addErrorsOfHopeful = (g) => `
    terms = f32x4.add(f32x4.mul(f32x4.mul(triedScale${g}, triedScale${g}), squareSum${g}), f32x4.mul(f32x4.mul(triedLow${g}, triedLow${g}), weightSum${g}))
    terms = f32x4.add(terms, energy${g})
    mixed = f32x4.mul(triedLow${g}, f32x4.sub(f32x4.mul(triedScale${g}, codeSum${g}), valueSum${g}))
    mixed = f32x4.sub(mixed, f32x4.mul(triedScale${g}, productSum${g}))
    least = f32x4.sub(f32x4.add(terms, f32x4.add(mixed, mixed)), f32x4.mul(terms, f32x4.splat(DOUBT)))
    error${g} = best${g}
    if (!i32x4.all_true(f32x4.gt(least, f32x4.pmax(best${g}, f32x4.splat(TINY))))) {${addErrors(g)}
    }`

  return `
/** x ~ scale * code - minimum, codes 0 .. ${largest}, for ${256 / size} sub-blocks of ${size}. */
export function ${name}(): void {
  const zero = f32x4.splat(0)
  const most = f32x4.splat(${float(largest)})
  const magic = f32x4.splat(MAGIC)
  const top = f32x4.splat(MAGIC + ${float(largest)})
  let x = zero
  let code = zero
  let weighted = zero
  let off = zero
  let is = zero
${isForeseen ? `  let terms = zero\n  let mixed = zero\n  let least = zero` : ''}
${each(
  (g) => `  x = v128.load(VALUES, ${g * stride})
  weighted = v128.load(WEIGHTS, ${g * stride})
  let low${g} = x
  let high${g} = x
  let weightSum${g} = weighted
  let valueSum${g} = f32x4.mul(weighted, x)
  let energy${g} = f32x4.mul(valueSum${g}, x)
  for (let i: usize = ${g * stride + vectorBytes}; i < ${(g + 1) * stride}; i += ${vectorBytes}) {
    x = v128.load(i, VALUES)
    weighted = v128.load(i, WEIGHTS)
    low${g} = f32x4.pmin(low${g}, x)
    high${g} = f32x4.pmax(high${g}, x)
    weightSum${g} = f32x4.add(weightSum${g}, weighted)
    weighted = f32x4.mul(weighted, x)
    valueSum${g} = f32x4.add(valueSum${g}, weighted)
    energy${g} = f32x4.add(energy${g}, f32x4.mul(weighted, x))
  }
  low${g} = f32x4.pmin(low${g}, zero)
  const isDead${g} = f32x4.le(high${g}, low${g})
  const firstLow${g} = low${g}
  let inverse${g} = f32x4.div(most, f32x4.sub(high${g}, low${g}))
  let scale${g} = f32x4.div(f32x4.splat(1), inverse${g})
  let best${g} = zero
  let keptInverse${g} = inverse${g}
  let keptOrigin${g} = low${g}
  let farthest${g} = zero
  let codeSum${g} = zero
  let squareSum${g} = zero
  let productSum${g} = zero
  let determinant${g} = zero
  let triedScale${g} = zero
  let triedLow${g} = zero
  let error${g} = zero
${overElements(
  g,
  (at) => `      x = v128.load(i, VALUES + ${at})
      code = ${nearestCode(g)}${addError(at, `best${g}`, `scale${g}`, `low${g}`)}`,
)}`,
)}
  for (let k = 0; k <= ${steps}; k++) {
    const span = f32x4.splat(<f32>${float(first)} + <f32>${float(step)} * <f32>k + <f32>${float(largest)})
${each(
  (g) => `    inverse${g} = f32x4.div(span, f32x4.sub(high${g}, low${g}))
    farthest${g} = f32x4.pmax(f32x4.abs(f32x4.mul(inverse${g}, f32x4.sub(firstLow${g}, low${g}))), farthest${g})
    codeSum${g} = zero
    squareSum${g} = zero
    productSum${g} = zero
${overElements(
  g,
  (at) => `      x = v128.load(i, VALUES + ${at})
      code = ${nearestCode(g)}
      v128.store(i, code, LEVELS + ${at})
      weighted = f32x4.mul(v128.load(i, WEIGHTS + ${at}), code)
      codeSum${g} = f32x4.add(codeSum${g}, weighted)
      squareSum${g} = f32x4.add(squareSum${g}, f32x4.mul(weighted, code))
      productSum${g} = f32x4.add(productSum${g}, f32x4.mul(weighted, x))`,
)}`,
)}
${each(
  (g) => `    determinant${g} = f32x4.sub(f32x4.mul(weightSum${g}, squareSum${g}), f32x4.mul(codeSum${g}, codeSum${g}))
    triedScale${g} = f32x4.div(f32x4.sub(f32x4.mul(weightSum${g}, productSum${g}), f32x4.mul(valueSum${g}, codeSum${g})), determinant${g})
    triedLow${g} = f32x4.div(f32x4.sub(f32x4.mul(squareSum${g}, valueSum${g}), f32x4.mul(codeSum${g}, productSum${g})), determinant${g})
    is = f32x4.gt(triedLow${g}, zero)
    if (v128.any_true(is)) {
      triedScale${g} = v128.bitselect(f32x4.div(productSum${g}, squareSum${g}), triedScale${g}, is)
      triedLow${g} = v128.andnot(triedLow${g}, is)
    }
${isForeseen ? addErrorsOfHopeful(g) : addErrors(g)}`,
)}
${each(
  // Without a branch: whether one of four lanes gets better is hard to foresee.
  (g) => `    is = v128.and(f32x4.gt(determinant${g}, zero), f32x4.lt(error${g}, best${g}))
    best${g} = v128.bitselect(error${g}, best${g}, is)
    scale${g} = v128.bitselect(triedScale${g}, scale${g}, is)
    keptInverse${g} = v128.bitselect(inverse${g}, keptInverse${g}, is)
    keptOrigin${g} = v128.bitselect(low${g}, keptOrigin${g}, is)
    low${g} = v128.bitselect(triedLow${g}, low${g}, is)`,
)}
  }
  let areNear = i32x4.splat(-1)
${each(
  (g) => `  v128.store(SCALES, v128.andnot(scale${g}, isDead${g}), ${g * vectorBytes})
  v128.store(MINIMUMS, f32x4.neg(v128.bitselect(firstLow${g}, low${g}, isDead${g})), ${g * vectorBytes})
  v128.store(INVERSES, v128.andnot(keptInverse${g}, isDead${g}), ${g * vectorBytes})
  v128.store(ORIGINS, keptOrigin${g}, ${g * vectorBytes})
  areNear = v128.and(areNear, v128.or(f32x4.lt(farthest${g}, f32x4.splat(FARTHEST)), isDead${g}))`,
)}
  if (!i32x4.all_true(areNear)) searchExactly(${size}, ${largest}, ${float(first)}, ${float(step)}, ${steps}, ${isAbsolute})
}
`
}

/**
 * `make_qx_quants` for four sub-blocks, two tries side by side, accepted in order. Not unrolled: V8 moves the loads of an unrolled
 * block to its front and spills them.
 */
const signed = ({ name, size, limit }) => {
  const atOnce = 2
  const stride = size * vectorBytes
  const tries = [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  // |x * inverse| is at most limit + k / 10: only some of the bounds can be passed. Bounds as integers, as above.
  const level = (k, t) => {
    const raised = `f32x4.add(f32x4.mul(inverse${t}, x), magic)`
    const upper = k <= -6 ? raised : `i32x4.min_s(${raised}, top)`
    return `f32x4.sub(${k >= 5 ? `i32x4.max_s(${upper}, bottom)` : upper}, magic)`
  }
  const accept = (k, t) =>
    k === 0
      ? `  scale = v128.and(f32x4.div(product${t}, square${t}), f32x4.ne(square${t}, zero))
  best = f32x4.mul(scale, product${t})
  kept = inverse${t}`
      : `  is = v128.and(f32x4.gt(square${t}, zero), f32x4.gt(f32x4.mul(product${t}, product${t}), f32x4.mul(best, square${t})))
  if (v128.any_true(is)) {
    scale = v128.bitselect(f32x4.div(product${t}, square${t}), scale, is)
    best = v128.bitselect(f32x4.mul(scale, product${t}), best, is)
    kept = v128.bitselect(inverse${t}, kept, is)
  }`
  const round = (steps) => `
${steps
  .map(
    (k, t) => `  inverse${t} = f32x4.div(f32x4.splat(-(<f32>${float(limit)} + <f32>0.1 * <f32>${float(k)})), peak)
  product${t} = zero
  square${t} = zero`,
  )
  .join('\n')}
  for (let i: usize = 0; i < ${stride}; i += ${vectorBytes}) {
    x = v128.load(i, VALUES)
    weight = v128.load(i, WEIGHTS)
    weighted = v128.load(i, PRODUCTS)
${steps
  .map(
    (k, t) => `    level${t} = ${level(k, t)}
    product${t} = f32x4.add(product${t}, f32x4.mul(weighted, level${t}))
    square${t} = f32x4.add(square${t}, f32x4.mul(f32x4.mul(weight, level${t}), level${t}))`,
  )
  .join('\n')}
  }
${steps.map(accept).join('\n')}`

  return `
/** x ~ scale * (code - ${limit}) for 4 sub-blocks of ${size}; PRODUCTS holds weight * x. Results from \`at\` bytes on. */
export function ${name}(at: usize): void {
  const zero = f32x4.splat(0)
  const magic = f32x4.splat(MAGIC)
  const top = f32x4.splat(MAGIC + ${float(limit - 1)})
  const bottom = f32x4.splat(MAGIC - ${float(limit)})
  findPeaks(${stride})
  const peak = v128.load(PEAKS)
  const isDead = f32x4.lt(v128.load(PEAK_MAGNITUDES), f32x4.splat(ZERO_BELOW))
  let x = zero
  let weight = zero
  let weighted = zero
  let scale = zero
  let best = zero
  let kept = zero
  let is = zero
${lines(atOnce, (t) => `  let inverse${t} = zero\n  let product${t} = zero\n  let square${t} = zero\n  let level${t} = zero`)}
${range(Math.ceil(tries.length / atOnce))
  .map((round_) => round(tries.slice(round_ * atOnce, (round_ + 1) * atOnce)))
  .join('\n')}
  v128.store(SCALES + at, v128.andnot(scale, isDead))
  v128.store(INVERSES + at, v128.andnot(kept, isDead))
}
`
}

/** `make_q3_quants` for four groups of four sub-blocks of 16, two groups interleaved. Levels -4 .. 3 stay in LEVELS. */
const descent = () => {
  const groups = 2
  const each = (line) => lines(groups, line)
  const stride = 256
  const nearest = (value) => `f32x4.pmin(high, f32x4.pmax(low, f32x4.sub(f32x4.add(${value}, magic), magic)))`
  return `
/** x ~ scale * level, levels -4 .. 3, for 16 sub-blocks of 16. */
export function descendQ3_K(): void {
  const zero = f32x4.splat(0)
  const high = f32x4.splat(3)
  const low = f32x4.splat(-4)
  const magic = f32x4.splat(MAGIC)
  for (let group: usize = 0; group < 1024; group += ${groups * stride}) {
${each(
  (g) => `    let peak${g} = zero
    let magnitude${g} = zero
    let product${g} = zero
    let square${g} = zero
    let x${g} = zero
    let weight${g} = zero
    let weighted${g} = zero
    let level${g} = zero
    let next${g} = zero
    let otherProduct${g} = zero
    let otherSquare${g} = zero
    let is${g} = zero`,
)}
    for (let i = group; i < group + ${stride}; i += ${vectorBytes}) {
${each(
  (g) => `      x${g} = v128.load(VALUES + i, ${g * stride})
      level${g} = f32x4.abs(x${g})
      is${g} = f32x4.gt(level${g}, magnitude${g})
      magnitude${g} = v128.bitselect(level${g}, magnitude${g}, is${g})
      peak${g} = v128.bitselect(x${g}, peak${g}, is${g})`,
)}
    }
${each(
  (g) => `    const isDead${g} = f32x4.lt(magnitude${g}, f32x4.splat(ZERO_BELOW))
    const inverse${g} = v128.andnot(f32x4.div(low, peak${g}), isDead${g})`,
)}
    for (let i = group; i < group + ${stride}; i += ${vectorBytes}) {
${each(
  (g) => `      x${g} = v128.load(VALUES + i, ${g * stride})
      weight${g} = f32x4.mul(x${g}, x${g})
      weighted${g} = f32x4.mul(weight${g}, x${g})
      v128.store(WEIGHTS + i, weight${g}, ${g * stride})
      v128.store(PRODUCTS + i, weighted${g}, ${g * stride})
      level${g} = ${nearest(`f32x4.mul(inverse${g}, x${g})`)}
      v128.store(LEVELS + i, v128.bitselect(low, level${g}, isDead${g}), ${g * stride})
      product${g} = f32x4.add(product${g}, f32x4.mul(weighted${g}, level${g}))
      square${g} = f32x4.add(square${g}, f32x4.mul(f32x4.mul(weight${g}, level${g}), level${g}))`,
)}
    }
    for (let sweep = 0; sweep < 5; sweep++) {
      let changed = zero
      for (let i = group; i < group + ${stride}; i += ${vectorBytes}) {
${each(
  (g) => `        x${g} = v128.load(VALUES + i, ${g * stride})
        weight${g} = v128.load(WEIGHTS + i, ${g * stride})
        weighted${g} = v128.load(PRODUCTS + i, ${g * stride})
        level${g} = v128.load(LEVELS + i, ${g * stride})
        otherProduct${g} = f32x4.sub(product${g}, f32x4.mul(weighted${g}, level${g}))
        otherSquare${g} = f32x4.sub(square${g}, f32x4.mul(f32x4.mul(weight${g}, level${g}), level${g}))
        next${g} = ${nearest(`f32x4.div(f32x4.mul(x${g}, otherSquare${g}), otherProduct${g})`)}
        is${g} = v128.andnot(v128.and(f32x4.ne(next${g}, level${g}), f32x4.gt(otherProduct${g}, zero)), isDead${g})`,
)}
${each(
  (g) => `        if (v128.any_true(is${g})) {
          otherProduct${g} = f32x4.add(otherProduct${g}, f32x4.mul(weighted${g}, next${g}))
          otherSquare${g} = f32x4.add(otherSquare${g}, f32x4.mul(f32x4.mul(weight${g}, next${g}), next${g}))
          is${g} = v128.and(
            v128.and(is${g}, f32x4.gt(otherSquare${g}, zero)),
            f32x4.gt(
              f32x4.mul(f32x4.mul(otherProduct${g}, otherProduct${g}), square${g}),
              f32x4.mul(f32x4.mul(product${g}, product${g}), otherSquare${g}),
            ),
          )
          product${g} = v128.bitselect(otherProduct${g}, product${g}, is${g})
          square${g} = v128.bitselect(otherSquare${g}, square${g}, is${g})
          v128.store(LEVELS + i, v128.bitselect(next${g}, level${g}, is${g}), ${g * stride})
          changed = v128.or(changed, is${g})
        }`,
)}
      }
      if (!v128.any_true(changed)) break
    }
${each(
  (g) => `    const scale${g} = v128.and(f32x4.div(product${g}, square${g}), f32x4.gt(square${g}, zero))
    v128.store(SCALES + (group >> 4), v128.andnot(scale${g}, isDead${g}), ${g * vectorBytes})`,
)}
  }
}
`
}

/** The search of IQ4 for four blocks of 32. Two chains of steps to the levels run side by side: one alone is mostly waiting. */
const levels = () => {
  const each = (line) => lines(8, line)
  const at = (u) => u * vectorBytes
  const places = (from) => `places(${[0, 1, 2, 3].map((u) => `f32x4.mul(doubled, x${from + u})`).join(', ')})`
  const wide = (u) => {
    const half = `i16x8.extend_${u % 4 < 2 ? 'low' : 'high'}_i8x16_s(levels${u < 4 ? 0 : 1})`
    return `f32x4.convert_i32x4_s(i32x4.extend_${u % 2 === 0 ? 'low' : 'high'}_i16x8_s(${half}))`
  }
  return `
/** SCALES of four blocks in VALUES and WEIGHTS, from \`at\` bytes on: a first guess, then 15 inverse scales around it. */
export function searchLevels(at: usize): void {
  findPeaks(512)
  const peak = v128.load(PEAKS)
  const zero = f32x4.splat(0)
  let scale = zero
  let best = zero
  let level = zero
  let weighted = zero
  for (let step = -8; step <= 7; step++) {
    // -8 stands for the first guess.
    const isFirst = step == -8
    const guess = f32x4.div(f32x4.splat(1), f32x4.div(peak, f32x4.splat(127)))
    const inverse = isFirst ? guess : f32x4.div(f32x4.splat(<f32>step - 127), peak)
    const doubled = f32x4.add(inverse, inverse)
    let product = zero
    let square = zero
    for (let i: usize = 0; i < 512; i += 128) {
${each((u) => `      const x${u} = v128.load(i, VALUES + ${at(u)})`)}
      const levels0 = levelsOf(${places(0)})
      const levels1 = levelsOf(${places(4)})
${each(
  (u) => `      level = ${wide(u)}
      weighted = f32x4.mul(v128.load(i, WEIGHTS + ${at(u)}), level)
      product = f32x4.add(product, f32x4.mul(weighted, x${u}))
      square = f32x4.add(square, f32x4.mul(weighted, level))`,
)}
    }
    const isBetter = isFirst ? i32x4.splat(-1) : f32x4.gt(f32x4.mul(product, product), f32x4.mul(best, square))
    const is = v128.and(f32x4.gt(square, zero), isBetter)
    scale = v128.bitselect(f32x4.div(product, square), scale, is)
    best = v128.bitselect(f32x4.mul(scale, product), best, is)
  }
  const isDead = f32x4.lt(v128.load(PEAK_MAGNITUDES), f32x4.splat(ZERO_BELOW))
  v128.store(SCALES + at, v128.andnot(scale, isDead))
}
`
}

export const source = `// Written by search.template.mjs; change that.
import { searchExactly } from './exact-search'
import { levelsOf, places } from './iq4-levels'
import { MAGIC } from './lanes'
import {
  findPeaks,
  INVERSES,
  LEVELS,
  MINIMUMS,
  ORIGINS,
  PEAK_MAGNITUDES,
  PEAKS,
  PRODUCTS,
  SCALES,
  VALUES,
  WEIGHTS,
  ZERO_BELOW,
} from './scratch'

/** Below 2^22, where rounding by MAGIC ends. */
const FARTHEST: f32 = 4000000
/** What an error that follows from sums may be wrong by, as a share of B; of errors below TINY roundings are no shares. */
const DOUBT: f32 = 1.0 / 65536.0
const TINY: f32 = 1e-24
${affine({ name: 'searchQ2_K', size: 16, largest: 3, first: -0.5, step: 0.1, steps: 15, isAbsolute: true })}
${affine({ name: 'searchQ4_K', size: 32, largest: 15, first: -1, step: 0.1, steps: 20 })}
${affine({ name: 'searchQ5_K', size: 32, largest: 31, first: -0.5, step: 0.1, steps: 15 })}
${affine({ name: 'searchWeighted16x3', size: 16, largest: 3, first: -0.9, step: 0.05, steps: 36 })}
${affine({ name: 'searchWeighted32x15', size: 32, largest: 15, first: -0.9, step: 0.05, steps: 36 })}
${affine({ name: 'searchWeighted32x31', size: 32, largest: 31, first: -0.9, step: 0.05, steps: 36 })}
${signed({ name: 'searchSigned16x4', size: 16, limit: 4 })}
${signed({ name: 'searchSigned16x32', size: 16, limit: 32 })}
${signed({ name: 'searchSigned32x8', size: 32, limit: 8 })}
${signed({ name: 'searchSigned32x16', size: 32, limit: 16 })}
${descent()}
${levels()}`
