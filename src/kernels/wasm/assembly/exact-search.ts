// The search of search.template.mjs one sub-block at a time, for the rare ones where x / scale passes 2^22: there ggml's
// `nearest_int` wraps around, and bytes follow it. Plain form in ../../reference/ggml/searches.ts, searchAffine.
import { nearestInt } from './lanes'
import { INVERSES, LEVELS, MINIMUMS, ORIGINS, SCALES, VALUES, WEIGHTS } from './scratch'

@inline
function codeOf(x: f32, low: f32, inverse: f32, largest: i32): i32 {
  return min(largest, max(0, nearestInt(inverse * (x - low))))
}

/** Sub-block `j` in VALUES and WEIGHTS; results as the vectors leave them. */
function searchOne(j: usize, size: usize, largest: i32, first: f32, step: f32, steps: i32, isAbsolute: bool): void {
  const from = (j >> 2) * (size << 4) + (j & 3) * 4
  const bytes = size << 4
  let low = load<f32>(VALUES + from)
  let high = low
  let weightSum: f32 = 0
  let valueSum: f32 = 0
  for (let i = from; i < from + bytes; i += 16) {
    const x = load<f32>(VALUES + i)
    const weight = load<f32>(WEIGHTS + i)
    if (x < low) low = x
    if (x > high) high = x
    weightSum += weight
    valueSum += weight * x
  }
  if (low > 0) low = 0
  if (high <= low) return
  let inverse: f32 = <f32>largest / (high - low)
  let keptInverse = inverse
  let keptOrigin = low
  let scale: f32 = <f32>1 / inverse
  let best: f32 = 0
  for (let i = from; i < from + bytes; i += 16) {
    const x = load<f32>(VALUES + i)
    const off: f32 = scale * <f32>codeOf(x, low, inverse, largest) + low - x
    best += load<f32>(WEIGHTS + i) * (isAbsolute ? abs(off) : off * off)
  }
  for (let k = 0; k <= steps; k++) {
    inverse = (first + step * <f32>k + <f32>largest) / (high - low)
    let codeSum: f32 = 0
    let squareSum: f32 = 0
    let productSum: f32 = 0
    for (let i = from; i < from + bytes; i += 16) {
      const x = load<f32>(VALUES + i)
      const code = <f32>codeOf(x, low, inverse, largest)
      const weighted: f32 = load<f32>(WEIGHTS + i) * code
      store<f32>(LEVELS + i, code)
      codeSum += weighted
      squareSum += weighted * code
      productSum += weighted * x
    }
    const determinant: f32 = weightSum * squareSum - codeSum * codeSum
    if (!(determinant > 0)) continue
    let triedScale: f32 = (weightSum * productSum - valueSum * codeSum) / determinant
    let triedLow: f32 = (squareSum * valueSum - codeSum * productSum) / determinant
    if (triedLow > 0) {
      triedLow = 0
      triedScale = productSum / squareSum
    }
    let error: f32 = 0
    for (let i = from; i < from + bytes; i += 16) {
      const off: f32 = triedScale * load<f32>(LEVELS + i) + triedLow - load<f32>(VALUES + i)
      error += load<f32>(WEIGHTS + i) * (isAbsolute ? abs(off) : off * off)
    }
    if (error < best) {
      best = error
      scale = triedScale
      keptInverse = inverse
      keptOrigin = low
      low = triedLow
    }
  }
  const to = j << 2
  store<f32>(SCALES + to, scale)
  store<f32>(MINIMUMS + to, -low)
  store<f32>(INVERSES + to, keptInverse)
  store<f32>(ORIGINS + to, keptOrigin)
}

export function searchExactly(size: usize, largest: i32, first: f32, step: f32, steps: i32, isAbsolute: bool): void {
  for (let j: usize = 0; j < 256 / size; j++) searchOne(j, size, largest, first, step, steps, isAbsolute)
}
