import type { Kernels, Matrix } from '../../kernels/contract/kernels.ts'
import { differenceOf, divideColumns, scaleColumns, scaledSquares } from '../scaling/scaled-block.ts'
import type { LinearGrid, TapInputs } from '../transform.ts'
import { inputMode, roundingErrors } from './rounded-inputs.ts'
import type { SmoothQuantSettings } from './settings.ts'
import { columnLargest, smoothingScales } from './smoothing.ts'

type Floats = Float32Array<ArrayBuffer>

/** 0.4 to 0.9 in steps of 0.05. */
const alphas = Array.from({ length: 11 }, (_, i) => (8 + i) / 20)

export interface SmoothedLinear {
  readonly weight: Matrix
  /** `null` for a linear that stays float. */
  readonly grid: LinearGrid | null
}

/**
 * The alpha whose linears, with weights and inputs in 8 bits, have the least squared output error; `null` when none is finite.
 *
 * X W^T - (X' + A) Q^T = X' (W' - Q)^T - A Q^T, with X' and W' smoothed and A the rounding errors of X'. The two terms are
 * uncorrelated but for chance, so the squared error is trace((W' - Q) G' (W' - Q)^T) over all calibration tokens plus
 * trace(Q A^T A Q^T) over a sample of them, taken up to their number.
 */
export async function searchAlpha(
  linears: readonly SmoothedLinear[],
  inputs: TapInputs,
  tools: { readonly settings: SmoothQuantSettings; readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<number | null> {
  const weights = columnLargest(linears.map(({ weight }) => weight))
  let best: { readonly alpha: number; readonly loss: number } | null = null
  for (const alpha of alphas) {
    const loss = await lossOf(linears, inputs, smoothingScales(alpha, inputs.largest, weights), tools)
    if (loss < (best?.loss ?? Infinity)) best = { alpha, loss }
  }
  return best?.alpha ?? null
}

async function lossOf(
  linears: readonly SmoothedLinear[],
  inputs: TapInputs,
  scales: Floats,
  { settings, kernels, signal }: { readonly settings: SmoothQuantSettings; readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<number> {
  const { sample, gram } = inputs
  const columns = scales.length
  const smoothed = { ...sample, data: divideColumns(sample.data, scales) }
  const data = roundingErrors(smoothed, inputMode(settings.activations, inputs.largest, scales))
  const errors = await kernels.accumulateGram(new Float32Array(columns * columns), { ...sample, data }, signal)
  const share = inputs.tokens / sample.rows
  const squares = scaledSquares(inputs.meanSquare, scales)
  let loss = 0
  for (const { weight, grid } of linears) {
    if (grid === null) continue
    const rounded = await grid.approximate({ ...weight, data: scaleColumns(weight.data, scales) }, squares)
    const narrow = divideColumns(rounded, scales)
    const delta = differenceOf(weight.data, narrow)
    loss += await kernels.traceThroughGram({ ...weight, data: delta }, gram, signal)
    loss += share * (await kernels.traceThroughGram({ ...weight, data: rounded }, errors, signal))
  }
  return loss
}

/** Multiply-adds of a search, beside quantizing. */
export function alphaOperations(shapes: readonly { readonly outFeatures: number; readonly inFeatures: number }[]): number {
  return alphas.length * shapes.reduce((sum, { outFeatures, inFeatures }) => sum + outFeatures * inFeatures * inFeatures, 0)
}
