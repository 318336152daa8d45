import { powerOfTen } from '../format/numbers.ts'

/** Domains and ticks of chart axes. Pure; domains are [low, high] with low < high. */
export type Domain = readonly [low: number, high: number]

const positive = (values: readonly number[]): readonly number[] => values.filter((value) => Number.isFinite(value) && value > 0)

/** Smallest span of whole decades that holds every positive value; one decade at least. Falls back to 1e-6 … 1 without any. */
export function decadeDomain(values: readonly number[]): Domain {
  const usable = positive(values)
  if (usable.length === 0) return [1e-6, 1]
  const low = Math.floor(Math.log10(Math.min(...usable)) + 1e-9)
  const high = Math.ceil(Math.log10(Math.max(...usable)) - 1e-9)
  return [10 ** low, 10 ** Math.max(high, low + 1)]
}

/** Whole decades inside the domain, thinned to at most `most` by taking every second, third … decade. */
export function decadeTicks(domain: Domain, most = 8): readonly number[] {
  const low = Math.ceil(Math.log10(domain[0]) - 1e-9)
  const high = Math.floor(Math.log10(domain[1]) + 1e-9)
  const step = Math.max(1, Math.ceil((high - low + 1) / most))
  const ticks: number[] = []
  for (let exponent = low; exponent <= high; exponent += step) ticks.push(power(exponent))
  return ticks
}

/** 1 and 3 of every decade (a factor of about 3.2 between neighbours), or whole decades where those would be more than `most`. */
export function halfDecadeTicks(domain: Domain, most = 8): readonly number[] {
  const low = Math.floor(Math.log10(domain[0]) - 1e-9)
  const high = Math.ceil(Math.log10(domain[1]) + 1e-9)
  const ticks: number[] = []
  for (let exponent = low; exponent <= high; exponent++) {
    for (const mantissa of [1, 3]) {
      const tick = Number(`${mantissa}e${exponent}`)
      if (tick >= domain[0] * (1 - 1e-9) && tick <= domain[1] * (1 + 1e-9)) ticks.push(tick)
    }
  }
  return ticks.length > most ? decadeTicks(domain, most) : ticks
}

/** Ticks at multiples of 1, 2 or 5 times a power of ten, all inside the domain: the finest such step with at most `most` ticks. */
export function linearTicks(domain: Domain, most = 6): readonly number[] {
  const span = domain[1] - domain[0]
  if (!(span > 0)) return [domain[0]]
  const first = Math.floor(Math.log10(span / most)) - 1
  for (let exponent = first; ; exponent++) {
    for (const mantissa of [1, 2, 5]) {
      const step = Number(`${mantissa}e${exponent}`)
      const from = Math.ceil(domain[0] / step - 1e-9)
      const to = Math.floor(domain[1] / step + 1e-9)
      if (to - from + 1 > Math.max(2, most)) continue
      const decimals = Math.min(20, Math.max(0, -exponent))
      return Array.from({ length: to - from + 1 }, (_, index) => Number(((from + index) * step).toFixed(decimals)))
    }
  }
}

/** Domain fitted to the data with `share` of its span as room on both sides; never below zero for data that is not. */
export function fittedDomain(values: readonly number[], share = 0.08): Domain {
  const usable = values.filter((value) => Number.isFinite(value))
  if (usable.length === 0) return [0, 1]
  const low = Math.min(...usable)
  const high = Math.max(...usable)
  const span = high > low ? high - low : Math.max(Math.abs(high) * 0.4, 1e-9)
  const padded = low - span * share
  return [low >= 0 ? Math.max(0, padded) : padded, high + span * share]
}

/** Decimals that tell neighbouring ticks apart. */
export function tickDecimals(ticks: readonly number[]): number {
  const steps = ticks.slice(1).map((tick, index) => Math.abs(tick - (ticks[index] ?? 0)))
  const step = steps.length === 0 ? 1 : Math.min(...steps)
  return step > 0 ? Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) : 0
}

/** Label of a whole decade: `10⁻³`; 1 and 10 as they are. */
export function decadeLabel(value: number): string {
  const exponent = Math.round(Math.log10(value))
  return exponent === 0 || exponent === 1 ? String(10 ** exponent) : powerOfTen(exponent)
}

/** `10 ** exponent` as the literal would be, without the error of repeated multiplication. */
function power(exponent: number): number {
  return Number(`1e${exponent}`)
}

/** Position of a value on a log scale, 0 at the low end, 1 at the high end, clamped. */
export function logPosition(value: number, domain: Domain): number {
  if (!(value > 0)) return 0
  const position = Math.log(value / domain[0]) / Math.log(domain[1] / domain[0])
  return Math.min(1, Math.max(0, position))
}
