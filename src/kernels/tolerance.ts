/** Arrays that an operation gives back, in an agreed order. */
export type Values = readonly (Uint8Array | Float32Array | Float64Array | Int32Array | Uint32Array)[]

/**
 * How far a backend may be from the reference. Loosen one only with a reason beside it.
 * - `bytes`: every bit equal.
 * - `relative`: |a - b| <= limit * max(|a|, |b|) for every value; integers stay equal.
 */
export type Tolerance = { readonly kind: 'bytes' } | { readonly kind: 'relative'; readonly limit: number }

export const bytes: Tolerance = { kind: 'bytes' }
export const relative = (limit: number): Tolerance => ({ kind: 'relative', limit })

export function toleranceText(tolerance: Tolerance): string {
  return tolerance.kind === 'bytes' ? 'bytes' : `relative ${tolerance.limit.toExponential(0)}`
}

/** The first difference that the tolerance does not allow, in words; null when there is none. */
export function firstDifference(expected: Values, actual: Values, tolerance: Tolerance): string | null {
  if (expected.length !== actual.length) return `${actual.length} arrays instead of ${expected.length}`
  for (const [index, array] of expected.entries()) {
    const other = actual[index]
    if (other === undefined || other.constructor !== array.constructor) return `array ${index} is of another kind`
    if (other.length !== array.length) return `array ${index} has ${other.length} values instead of ${array.length}`
    const difference = tolerance.kind === 'bytes' ? byteDifference(array, other) : valueDifference(array, other, tolerance.limit)
    if (difference !== null) return `array ${index}, ${difference}`
  }
  return null
}

function byteDifference(expected: Values[number], actual: Values[number]): string | null {
  const a = new Uint8Array(expected.buffer, expected.byteOffset, expected.byteLength)
  const b = new Uint8Array(actual.buffer, actual.byteOffset, actual.byteLength)
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue
    const at = Math.floor(i / expected.BYTES_PER_ELEMENT)
    return `value ${at}: ${actual[at] ?? 'none'} instead of ${expected[at] ?? 'none'} (byte ${i})`
  }
  return null
}

function valueDifference(expected: Values[number], actual: Values[number], limit: number): string | null {
  for (let i = 0; i < expected.length; i++) {
    const a = expected[i] ?? 0
    const b = actual[i] ?? 0
    if (Object.is(a, b) || Math.abs(a - b) <= limit * Math.max(Math.abs(a), Math.abs(b))) continue
    return `value ${i}: ${b} instead of ${a}`
  }
  return null
}
