import { roundToHalf } from '../core/float16.ts'
import { roundHalfEven } from '../core/rounding.ts'
import { type ActivationMode, bitsandbytesShare } from '../kernels/contract/activations.ts'

/** The input [tokens, width] of a linear rounded as `ActivationMode` says, in f64, value by value. */
export function roundInput(input: Float64Array, width: number, mode: ActivationMode): Float64Array {
  if (mode.kind === 'none') return input
  if (mode.kind === 'int8-tensor') {
    return input.map((x) => Math.min(127, Math.max(-128, roundHalfEven(x / mode.scale))) * mode.scale)
  }
  if (mode.kind === 'half') return input.map(roundToHalf)
  if (mode.kind === 'int8-blocks') return roundBlocks(input, mode)
  return roundRows(input, width, mode.outlierThreshold)
}

function roundRows(input: Float64Array, width: number, outlierThreshold: number | null): Float64Array {
  const threshold = outlierThreshold ?? Infinity
  const values = outlierThreshold === null ? input : input.map(roundToHalf)
  const share = outlierThreshold === null ? 1 / 127 : bitsandbytesShare
  const isFloatColumn = (column: number): boolean => values.some((x, i) => i % width === column && Math.abs(x) >= threshold)
  const floatColumns = Array.from({ length: width }, (_, column) => isFloatColumn(column))
  const largest = Array.from({ length: input.length / width }, (_, token) =>
    values
      .subarray(token * width, (token + 1) * width)
      .reduce((most, x) => (Math.abs(x) < threshold ? Math.max(most, Math.abs(x)) : most), 0),
  )
  return values.map((x, i) => {
    const ofToken = largest[Math.floor(i / width)] ?? 0
    if (floatColumns[i % width] === true) return input[i] ?? NaN
    return ofToken === 0 ? 0 : roundHalfEven((x * 127) / ofToken) * (ofToken * share)
  })
}

function roundBlocks(input: Float64Array, { columns, scale }: Extract<ActivationMode, { readonly kind: 'int8-blocks' }>): Float64Array {
  return input.map((x, i) => {
    const first = Math.floor(i / columns) * columns
    const largest = input.subarray(first, first + columns).reduce((most, y) => Math.max(most, Math.abs(y)), 0)
    const step = largest / 127
    return largest === 0 ? 0 : roundHalfEven((x * 127) / largest) * (scale === 'half' ? roundToHalf(step) : step)
  })
}
