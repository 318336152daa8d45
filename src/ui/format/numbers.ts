/** Number forms of the page: true minus, space before the unit, comma for thousands. */

const MINUS = '\u2212'
const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `−0.9` with a true minus. */
const withMinus = (text: string): string => text.replace('-', MINUS)

const fixed = (value: number, decimals: number): string =>
  withMinus(new Intl.NumberFormat('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value))

/** Decimals that show `digits` significant digits of `value`, plain notation; at least 0. */
function decimalsFor(value: number, digits: number): number {
  if (value === 0 || !Number.isFinite(value)) return 0
  // The magnitude after rounding: 0.0996 with 2 digits is 0.10, not 0.100.
  const rounded = Number(Math.abs(value).toPrecision(digits))
  return Math.max(0, digits - 1 - Math.floor(Math.log10(rounded)))
}

/** `digits` significant digits in plain notation, at most 12 decimals: 0.0021, 27, 1,230. */
export function significant(value: number, digits: number): string {
  if (Number.isNaN(value)) return '–'
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`
  return fixed(value, Math.min(12, decimalsFor(value, digits)))
}

/** 20,480 */
export const count = (value: number): string => withMinus(counts.format(value))

/** 20,480 tokens; 1 token */
export const counted = (value: number, noun: string, plural = `${noun}s`): string => `${count(value)} ${value === 1 ? noun : plural}`

/** Decimal units, 3 or 4 digits: 668.8 MB, 2.20 GB, 41 kB, 512 bytes. */
export function bytes(value: number): string {
  const size = Math.abs(value)
  if (size < 1000) return counted(Math.trunc(value), 'byte')
  if (size < 999_500) return `${significant(value / 1e3, size < 99_950 ? 2 : 3)} kB`
  if (size < 999_950_000) return `${fixed(value / 1e6, size < 9_995_000 ? 2 : 1)} MB`
  if (size < 99_995_000_000) return `${fixed(value / 1e9, 2)} GB`
  return `${fixed(value / 1e9, 1)} GB`
}

/** 668,788,096 bytes */
export const exactBytes = (value: number): string => counted(value, 'byte')

/** For columns headed MB: 1,169.8; two decimals below 10 MB. */
export const megabytes = (value: number): string =>
  value > 0 && value < 5000 ? '< 0.01' : fixed(value / 1e6, Math.abs(value) < 9_995_000 ? 2 : 1)

/** Two decimals: 4.86 */
export const bits = (value: number): string => fixed(value, 2)

/** 3 decimals: 8.090; at most 4 significant digits above 1000, where decimals mean nothing. */
export const perplexity = (value: number): string => (value >= 1000 ? significant(value, 4) : fixed(value, 3))

/** ± with 2 significant digits: ± 0.11 */
export const plusMinus = (error: number): string => `± ${significant(error, 2)}`

/** Signed, 2 significant digits: +1.5 %, −0.9 %, 0 % */
export function changePercent(share: number): string {
  if (!Number.isFinite(share)) return '–'
  const percent = Number((share * 100).toPrecision(2))
  const text = significant(percent, 2)
  return `${percent > 0 ? '+' : ''}${text} %`
}

/** ± of a change, in percent, as many decimals as its 1 significant digit needs: ± 0.1 */
export const changeError = (error: number): string => `± ${significant(error * 100, 1)}`

/** +1.5 % ± 0.1, or "same within error" when it is at most two errors. */
export function change(estimate: { readonly value: number; readonly error: number }): string {
  if (Math.abs(estimate.value) <= 2 * estimate.error) return 'same within error'
  return `${changePercent(estimate.value)} ${changeError(estimate.error)}`
}

/** 93.8 % */
export const percent = (share: number): string => `${fixed(share * 100, 1)} %`

/** Difference of two shares in points: −0.9 pt */
export function points(difference: number): string {
  const value = difference * 100
  return `${value > 0 ? '+' : ''}${fixed(value, 1)} pt`
}

/** Nats, 3 significant digits: 0.0193 */
export const divergence = (nats: number): string => (nats === 0 ? '0' : significant(nats, 3))

/** Layer error, 2 significant digits: 0.0021; below a millionth as a power: 3.1 × 10⁻⁸ */
export function layerError(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 1e-6 || !Number.isFinite(value)) return significant(value, 2)
  const exponent = Math.floor(Math.log10(Math.abs(value)))
  return `${fixed(value / 10 ** exponent, 1)} × ${powerOfTen(exponent)}`
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** 10⁻³, for log axes. */
export function powerOfTen(exponent: number): string {
  return `10${String(exponent)
    .replace('-', '⁻')
    .replace(/\d/g, (digit) => superscripts.charAt(Number(digit)))}`
}

/** 27.1 dB */
export const decibels = (value: number): string => (value === Number.POSITIVE_INFINITY ? 'exact' : `${fixed(value, 1)} dB`)

/** 3 significant digits: 16.9 */
export const speed = (perSecond: number): string => significant(perSecond, 3)

/** Large rates: 212 M weights/s */
export function rate(perSecond: number, unit: string): string {
  if (perSecond >= 1e9) return `${significant(perSecond / 1e9, 3)} G ${unit}/s`
  if (perSecond >= 1e6) return `${significant(perSecond / 1e6, 3)} M ${unit}/s`
  return `${count(Number(perSecond.toPrecision(3)))} ${unit}/s`
}

/** 3.1 s, 94 s, 4:12 above two minutes */
export function seconds(value: number): string {
  if (value < 10) return `${fixed(value, 1)} s`
  return value < 120 ? `${fixed(value, 0)} s` : clock(value)
}

/** 4:12, 1:02:03 */
export function clock(value: number): string {
  const whole = Math.max(0, Math.floor(value))
  const two = (part: number): string => String(part).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** Estimates in words, rounded up: about 20 seconds, about 3 minutes, about 2 hours. */
export function duration(value: number): string {
  const up = (part: number, noun: string): string => `about ${counted(part, noun)}`
  if (value <= 10) return up(Math.max(1, Math.ceil(value)), 'second')
  if (value <= 90) return up(Math.ceil(value / 10) * 10, 'second')
  if (value <= 90 * 60) return up(Math.ceil(value / 60), 'minute')
  return up(Math.ceil(value / 3600), 'hour')
}

/** 2,048 × 5,632 */
export const shape = (dimensions: readonly number[]): string => dimensions.map(count).join(' × ')
