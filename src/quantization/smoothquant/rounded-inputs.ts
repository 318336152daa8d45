import { roundHalfEven } from '../../core/rounding.ts'
import { type ActivationMode, type InputRounding, int8Levels } from '../../kernels/contract/activations.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import type { SmoothQuantSettings } from './settings.ts'

type Floats = Float32Array<ArrayBuffer>

/** Least range of an input (smoothquant `fake_quant.py`). */
const leastRange = 1e-5

/** How inputs will be rounded, before calibration has found the scales of `tensor` and `integer`. */
export const plannedModes: Readonly<Record<SmoothQuantSettings['activations'], InputRounding | null>> = {
  float: null,
  token: { kind: 'int8-rows', outlierThreshold: null },
  tensor: { kind: 'int8-tensor', scale: Number.NaN },
  integer: { kind: 'int8-tensor', scale: Number.NaN, outputScale: Number.NaN },
}

/** How inputs are rounded whose columns reach `largest` once they are divided by `scales`. */
export function inputMode(activations: SmoothQuantSettings['activations'], largest: Floats, scales: Floats | null): ActivationMode {
  switch (activations) {
    case 'float':
      return { kind: 'none' }
    case 'token':
      return { kind: 'int8-rows', outlierThreshold: null }
    case 'tensor':
    case 'integer': {
      const range = largest.reduce((most, value, i) => Math.max(most, value / (scales?.[i] ?? 1)), leastRange)
      return { kind: 'int8-tensor', scale: Math.fround(range / int8Levels) }
    }
  }
}

/**
 * The same with the output of the linear in 8 bits as well, which reaches `largest` in the float model. Smoothing changes what goes
 * into a linear and its weights, and so not what comes out.
 */
export function withOutput(mode: ActivationMode, largest: number): ActivationMode {
  return mode.kind === 'int8-tensor' ? { ...mode, outputScale: Math.fround(Math.max(largest, leastRange) / int8Levels) } : mode
}

/** What rounding does to inputs: rounded minus given, [rows, columns]. `int8-rows` without columns that stay float. */
export function roundingErrors({ data, rows, columns }: Matrix, mode: ActivationMode): Floats {
  const errors = new Float32Array(data.length)
  if (mode.kind === 'none') return errors
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * columns, (row + 1) * columns)
    const step = mode.kind === 'int8-tensor' ? mode.scale : largestOf(values) / int8Levels
    for (const [i, value] of values.entries()) {
      const code = Math.min(Math.max(roundHalfEven(value / step), -int8Levels - 1), int8Levels)
      errors[row * columns + i] = code * step - value
    }
  }
  return errors
}

function largestOf(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), leastRange)
}
