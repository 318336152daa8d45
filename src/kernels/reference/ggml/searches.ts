/**
 * The searches of ggml-quants.c for the scale of a sub-block. Every step is f32 in the order C takes it: sums run in order of
 * the elements, products associate from the left.
 */
const f = Math.fround

/** 1.5 * 2^23: added to an f32 below 2^22 it leaves the nearest integer, ties to even, in the low bits. */
const magic = 12582912

const floatView = new Float32Array(1)
const bitView = new Int32Array(floatView.buffer)

/** ggml's `nearest_int`, bit for bit: defined for every f32, an integer below 2^22, meaningless for |value| above. */
export function nearestInt(value: number): number {
  floatView[0] = f(value) + magic
  return ((bitView[0] ?? 0) & 0x7fffff) - 0x400000
}

/**
 * Nearest integer within [low, high], ties to even. As `nearest_int` and a clamp, except that magnitudes above 2^22, where C
 * wraps around, end at the bound, and NaN at `low`: for searches from the peak, where only weights at the limits of f32 get there.
 */
export function nearestCode(value: number, low: number, high: number): number {
  const rounded = f(f(f(value) + magic) - magic)
  const atLeast = rounded > low ? rounded : low
  return atLeast < high ? atLeast : high
}

/** Below it a block counts as all zero (ggml's GROUP_MAX_EPS). */
export const zeroBelow = f(1e-15)

/** A scale and the codes found with it. */
export interface ScaledCodes {
  readonly scale: number
  readonly codes: Uint8Array
}

/** Largest magnitude and the element that has it, the first one. */
function peakOf(values: Float32Array): { readonly magnitude: number; readonly value: number } {
  let magnitude = 0
  let peak = 0
  for (const value of values) {
    if (Math.abs(value) > magnitude) {
      magnitude = Math.abs(value)
      peak = value
    }
  }
  return { magnitude, value: peak }
}

export const squares = (values: Float32Array): Float32Array => values.map((value) => f(value * value))

/**
 * `make_qx_quants`: x ~ scale * (code - limit), codes 0 .. 2 limit - 1. 19 inverse scales around -limit / peak; the one with the
 * least weighted error when the scale is then fitted.
 */
export function searchSigned(values: Float32Array, weights: Float32Array, limit: number): ScaledCodes {
  const codes = new Uint8Array(values.length)
  const peak = peakOf(values)
  if (peak.magnitude < zeroBelow) return { scale: 0, codes }
  let scale = 0
  let best = 0
  let chosen = 0
  for (const step of [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const inverse = f(-f(limit + f(f(0.1) * step)) / peak.value)
    let product = 0
    let square = 0
    for (const [i, x] of values.entries()) {
      const weight = weights[i] ?? 0
      const level = nearestCode(f(inverse * x), -limit, limit - 1)
      product = f(product + f(f(weight * x) * level))
      square = f(square + f(f(weight * level) * level))
    }
    const isFirst = step === 0
    if (isFirst || (square > 0 && f(product * product) > f(best * square))) {
      scale = square === 0 ? 0 : f(product / square)
      best = f(scale * product)
      chosen = inverse
    }
  }
  for (const [i, x] of values.entries()) codes[i] = nearestCode(f(chosen * x), -limit, limit - 1) + limit
  return { scale, codes }
}

/**
 * `make_q3_quants`: as `searchSigned` with weights x^2, but one inverse scale, whose codes are then improved one at a time, up
 * to five times over.
 */
export function descendSigned(values: Float32Array, limit: number): ScaledCodes {
  const codes = new Uint8Array(values.length)
  const peak = peakOf(values)
  if (peak.magnitude < zeroBelow) return { scale: 0, codes }
  const inverse = f(-limit / peak.value)
  const weights = squares(values)
  const levels = new Float32Array(values.length)
  let product = 0
  let square = 0
  for (const [i, x] of values.entries()) {
    const weight = weights[i] ?? 0
    const level = nearestCode(f(inverse * x), -limit, limit - 1)
    levels[i] = level
    product = f(product + f(f(weight * x) * level))
    square = f(square + f(f(weight * level) * level))
  }
  for (let sweep = 0; sweep < 5; sweep++) {
    let hasChanged = false
    for (const [i, x] of values.entries()) {
      const weight = weights[i] ?? 0
      const level = levels[i] ?? 0
      let otherProduct = f(product - f(f(weight * x) * level))
      if (!(otherProduct > 0)) continue
      let otherSquare = f(square - f(f(weight * level) * level))
      const next = nearestCode(f(f(x * otherSquare) / otherProduct), -limit, limit - 1)
      if (next === level) continue
      otherProduct = f(otherProduct + f(f(weight * x) * next))
      otherSquare = f(otherSquare + f(f(weight * next) * next))
      if (otherSquare > 0 && f(f(otherProduct * otherProduct) * square) > f(f(product * product) * otherSquare)) {
        levels[i] = next
        product = otherProduct
        square = otherSquare
        hasChanged = true
      }
    }
    if (!hasChanged) break
  }
  for (let i = 0; i < codes.length; i++) codes[i] = (levels[i] ?? 0) + limit
  return { scale: square > 0 ? f(product / square) : 0, codes }
}

/** Inverse scales tried: (first + step k + largest code) / range for k = 0 .. steps. */
export interface AffineSearch {
  readonly largestCode: number
  readonly first: number
  readonly step: number
  readonly steps: number
  /** Weighted sum of |error| instead of error^2. */
  readonly isAbsolute: boolean
}

/**
 * `make_qkx2_quants` and `make_qkx3_quants`: x ~ scale * code - minimum with minimum >= 0. Each try rounds, fits scale and
 * minimum by least squares and is kept when the weighted error falls; the next tries start from the minimum kept.
 */
export function searchAffine(
  values: Float32Array,
  weights: Float32Array,
  { largestCode, first, step, steps, isAbsolute }: AffineSearch,
): ScaledCodes & { readonly minimum: number } {
  const range = { min: values[0] ?? 0, max: values[0] ?? 0 }
  let weightSum = weights[0] ?? 0
  let valueSum = f(weightSum * range.min)
  for (let i = 1; i < values.length; i++) {
    const x = values[i] ?? 0
    const weight = weights[i] ?? 0
    if (x < range.min) range.min = x
    if (x > range.max) range.max = x
    weightSum = f(weightSum + weight)
    valueSum = f(valueSum + f(weight * x))
  }
  const { max } = range
  let min = range.min > 0 ? 0 : range.min
  if (max <= min) return { scale: 0, minimum: -min, codes: new Uint8Array(values.length) }

  const codesFor = (inverse: number): Uint8Array =>
    Uint8Array.from(values, (x) => Math.max(0, Math.min(largestCode, nearestInt(f(inverse * f(x - min))))))
  const errorOf = (codes: Uint8Array, scale: number, minimum: number): number => {
    let error = 0
    for (const [i, x] of values.entries()) {
      const difference = f(f(f(scale * (codes[i] ?? 0)) + minimum) - x)
      error = f(error + f((weights[i] ?? 0) * (isAbsolute ? Math.abs(difference) : f(difference * difference))))
    }
    return error
  }

  const firstInverse = f(largestCode / f(max - min))
  let scale = f(1 / firstInverse)
  let codes = codesFor(firstInverse)
  let best = errorOf(codes, scale, min)
  for (let k = 0; k <= steps; k++) {
    const tried = codesFor(f(f(f(f(first) + f(f(step) * k)) + largestCode) / f(max - min)))
    let codeSum = 0
    let squareSum = 0
    let productSum = 0
    for (const [i, x] of values.entries()) {
      const code = tried[i] ?? 0
      const weighted = f((weights[i] ?? 0) * code)
      codeSum = f(codeSum + weighted)
      squareSum = f(squareSum + f(weighted * code))
      productSum = f(productSum + f(weighted * x))
    }
    const determinant = f(f(weightSum * squareSum) - f(codeSum * codeSum))
    if (!(determinant > 0)) continue
    let triedScale = f(f(f(weightSum * productSum) - f(valueSum * codeSum)) / determinant)
    let triedMin = f(f(f(squareSum * valueSum) - f(codeSum * productSum)) / determinant)
    if (triedMin > 0) {
      triedMin = 0
      triedScale = f(productSum / squareSum)
    }
    const error = errorOf(tried, triedScale, triedMin)
    if (error < best) {
      codes = tried
      best = error
      scale = triedScale
      min = triedMin
    }
  }
  return { scale, minimum: -min, codes }
}

/**
 * `make_qp_quants`: values >= 0 ~ scale * code, codes 0 .. largestCode, for the scales or the minimums of a super-block. Bytes
 * wrap as they do in C: a negative value gives a large code.
 */
export function searchPositive(values: Float32Array, weights: Float32Array, largestCode: number): ScaledCodes {
  const codes = new Uint8Array(values.length)
  let largest = 0
  for (const value of values) if (value > largest) largest = value
  if (largest < zeroBelow) return { scale: 0, codes }
  const errorOf = (scale: number, code: (x: number) => number): number => {
    let error = 0
    for (const [i, x] of values.entries()) {
      const difference = f(x - f(scale * code(x)))
      error = f(error + f(f((weights[i] ?? 0) * difference) * difference))
    }
    return error
  }
  let inverse = f(largestCode / largest)
  let best = errorOf(f(1 / inverse), (x) => nearestInt(f(inverse * x)) & 255)
  for (const step of [-4, -3, -2, -1, 1, 2, 3, 4]) {
    const tried = f(f(f(f(0.1) * step) + largestCode) / largest)
    const error = errorOf(f(1 / tried), (x) => Math.min(largestCode, nearestInt(f(tried * x))))
    if (error < best) {
      best = error
      inverse = tried
    }
  }
  let product = 0
  let square = 0
  for (const [i, x] of values.entries()) {
    const weight = weights[i] ?? 0
    const code = Math.min(largestCode, nearestInt(f(inverse * x)))
    codes[i] = code & 255
    product = f(product + f(f(weight * x) * code))
    square = f(square + f(f(weight * code) * code))
  }
  for (let sweep = 0; sweep < 5; sweep++) {
    let hasChanged = false
    for (const [i, x] of values.entries()) {
      const weight = weights[i] ?? 0
      const code = codes[i] ?? 0
      let otherProduct = f(product - f(f(weight * x) * code))
      let otherSquare = f(square - f(f(weight * code) * code))
      if (!(otherProduct > 0 && otherSquare > 0)) continue
      const next = Math.min(largestCode, nearestInt(f(f(x * otherSquare) / otherProduct)))
      if (next === code) continue
      otherProduct = f(otherProduct + f(f(weight * x) * next))
      otherSquare = f(otherSquare + f(f(weight * next) * next))
      if (f(f(otherProduct * otherProduct) * square) > f(f(product * product) * otherSquare)) {
        codes[i] = next & 255
        product = otherProduct
        square = otherSquare
        hasChanged = true
      }
    }
    if (!hasChanged) break
  }
  return { scale: square > 0 ? f(product / square) : 0, codes }
}
