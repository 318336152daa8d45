import type { ActivationMode } from '../kernels/contract/activations.ts'
import type { ModelConfig } from '../models/model-graph.ts'
import type { BlockWeights } from '../runtime/engine.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { requantize } from './requantize.ts'
import { roundInput } from './round-input.ts'

/** `window`: keys that a query sees, its own included; default all before it. */
export type ReferenceConfig = ModelConfig & { readonly window?: number }

/**
 * One decoder block in f64, written as the formulas read and with nothing shared with the runtime: loops over positions,
 * heads and features. Input and output [length, hidden]; outlier columns are those of this window alone.
 */
export function referenceBlock(
  config: ReferenceConfig,
  weights: BlockWeights,
  input: Float64Array,
  modes: BlockActivationModes = {},
): Float64Array {
  return referencePass(config, weights, input, modes).output
}

/** The same with what went into the linears, each under the role of the first linear that reads it: [length, inFeatures]. */
export function referencePass(
  config: ReferenceConfig,
  weights: BlockWeights,
  input: Float64Array,
  modes: BlockActivationModes = {},
): { readonly output: Float64Array; readonly inputs: Readonly<Record<'q' | 'o' | 'gate' | 'down', Float64Array>> } {
  const { hidden, heads, kvHeads, headDim, normEps } = config
  const length = input.length / hidden
  const times = (x: Float64Array, inFeatures: number, role: string): Float64Array =>
    roundOutput(linear(roundInput(x, inFeatures, modes[role] ?? { kind: 'none' }), inFeatures, weights, role), weights, role, modes[role])
  const normed = rmsNorm(input, weight(weights, 'attnIn'), normEps)
  const queries = rotate(config, times(normed, hidden, 'q'), heads)
  const keys = rotate(config, times(normed, hidden, 'k'), kvHeads)
  const values = times(normed, hidden, 'v')
  const mixed = new Float64Array(length * heads * headDim)
  for (let head = 0; head < heads; head++) {
    const shared = Math.floor((head * kvHeads) / heads)
    for (let at = 0; at < length; at++) {
      const scores = Array.from({ length: at + 1 }, (_, other) => {
        if (at - other >= (config.window ?? Number.POSITIVE_INFINITY)) return Number.NEGATIVE_INFINITY
        let sum = 0
        for (let i = 0; i < headDim; i++) {
          sum += (queries[(at * heads + head) * headDim + i] ?? 0) * (keys[(other * kvHeads + shared) * headDim + i] ?? 0)
        }
        return sum / Math.sqrt(headDim)
      })
      const largest = Math.max(...scores)
      const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0)
      for (const [other, score] of scores.entries()) {
        for (let i = 0; i < headDim; i++) {
          const index = (at * heads + head) * headDim + i
          mixed[index] = (mixed[index] ?? 0) + (Math.exp(score - largest) / total) * (values[(other * kvHeads + shared) * headDim + i] ?? 0)
        }
      }
    }
  }
  const middle = sum(input, times(mixed, heads * headDim, 'o'))
  const mlpIn = rmsNorm(middle, weight(weights, 'mlpIn'), normEps)
  const gate = times(mlpIn, hidden, 'gate')
  const up = times(mlpIn, hidden, 'up')
  const gated = gate.map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] ?? 0))
  const output = sum(middle, times(gated, gated.length / length, 'down'))
  return { output, inputs: { q: normed, o: mixed, gate: mlpIn, down: gated } }
}

/** x / sqrt(mean(x^2) + eps) * gain, row by row of the gain's width. */
export function rmsNorm(input: Float64Array, gain: Float32Array, epsilon: number): Float64Array {
  const width = gain.length
  return input.map((value, index) => {
    const start = Math.floor(index / width) * width
    const squares = input.subarray(start, start + width).reduce((total, x) => total + x * x, 0)
    return (value / Math.sqrt(squares / width + epsilon)) * (gain[index - start] ?? 0)
  })
}

/** Rows of `input` times W^T, W [out, in] row-major, plus the bias if there is one. */
export function linear(input: Float64Array, inFeatures: number, weights: BlockWeights, role: string): Float64Array {
  const matrix = weight(weights, role)
  const bias = weights[`${role}.bias`]
  const outFeatures = matrix.length / inFeatures
  return Float64Array.from({ length: (input.length / inFeatures) * outFeatures }, (_, index) => {
    const row = Math.floor(index / outFeatures)
    const out = index % outFeatures
    let total = bias?.[out] ?? 0
    for (let i = 0; i < inFeatures; i++) total += (input[row * inFeatures + i] ?? 0) * (matrix[out * inFeatures + i] ?? 0)
    return total
  })
}

/** What a linear hands on where its mode has an output scale; a row whose codes have scale w sums in steps of input scale times w. */
function roundOutput(output: Float64Array, weights: BlockWeights, role: string, mode: ActivationMode | undefined): Float64Array {
  if (mode?.kind !== 'int8-tensor' || mode.outputScale === undefined) return output
  const { scale, outputScale } = mode
  const rows = weight(weights, `${role}.rowScales`)
  return output.map((value, at) => {
    const step = scale * (rows[at % rows.length] ?? Number.NaN)
    return requantize(Math.round(value / step), step / outputScale) * outputScale
  })
}

/** Pairs (i, i + headDim / 2) of every head turned by position times frequency. */
function rotate(config: ModelConfig, rows: Float64Array, heads: number): Float64Array {
  const { headDim } = config
  const half = headDim / 2
  return rows.map((value, index) => {
    const inHead = index % headDim
    const position = Math.floor(index / (heads * headDim))
    const angle = position * frequency(config, inHead % half)
    const partner = rows[inHead < half ? index + half : index - half] ?? 0
    return value * Math.cos(angle) + (inHead < half ? -partner : partner) * Math.sin(angle)
  })
}

function frequency({ headDim, ropeTheta, ropeScaling }: ModelConfig, pair: number): number {
  const plain = 1 / ropeTheta ** ((2 * pair) / headDim)
  if (ropeScaling.kind === 'none') return plain
  if (ropeScaling.kind === 'linear') return plain / ropeScaling.factor
  // llama3, in wavelengths as transformers' `_compute_llama3_parameters` has it
  const wavelength = (2 * Math.PI) / plain
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = ropeScaling
  if (wavelength < originalMaxPositions / highFrequencyFactor) return plain
  if (wavelength > originalMaxPositions / lowFrequencyFactor) return plain / factor
  const smooth = (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
  return ((1 - smooth) * plain) / factor + smooth * plain
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, index) => value + (b[index] ?? 0))
}

function weight(weights: BlockWeights, role: string): Float32Array {
  const data = weights[role]
  if (data === undefined) throw new RangeError(`No weight "${role}".`)
  return data
}
