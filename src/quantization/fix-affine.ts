import { largestHalf, roundToHalf, smallestHalf } from '../core/float16.ts'
import { type AffineFit, type AffineParams, groupsPerRow } from '../kernels/contract/affine.ts'
import type { AffineSteps } from '../kernels/contract/feedback.ts'
import type { Matrix, MatrixShape } from '../kernels/contract/kernels.ts'
import type { FixedGrid, FixOptions } from './fixed-grid.ts'
import { packRows } from './pack-rows.ts'
import type { QuantizedTensor } from './quantized-tensor.ts'

/**
 * The affine grid for error feedback. Whole-row scales are fitted to the weights as the checkpoint has them, as GPTQ's authors
 * do; so is a scale over the whole matrix. Groups follow on the way, or before.
 */
export async function fixAffine(name: string, weight: Matrix, fit: AffineFit, options: Omit<FixOptions, 'settings'>): Promise<FixedGrid> {
  const { rows, columns } = weight
  const { bits, isSymmetric, group, clip = 'none' } = fit
  const rule = { bits, isSymmetric, clip }
  const params = { bits, isSymmetric, group }
  const groupSize = typeof group === 'number' ? group : columns
  const store = (codes: Uint8Array, steps: AffineSteps): QuantizedTensor => affineTensor({ name, rows, columns }, params, { codes, steps })
  if (typeof group === 'number' && options.scales === 'on the way') {
    const onTheWay: FixedGrid = {
      kind: 'fixed',
      groupSize,
      grid: { kind: 'fit', ...rule },
      finish: ({ codes, fitted }) => store(codes, fitted),
      rescale: (swept, factors) => ({ fixed: onTheWay, swept: { ...swept, fitted: rescaled(swept.fitted, factors) } }),
    }
    return onTheWay
  }
  const { kernels, source, signal } = options
  const whole = { data: source.data, rows: 1, columns: rows * columns }
  const steps = await (group === 'tensor'
    ? kernels.fitSteps(whole, whole.columns, rule, signal)
    : kernels.fitSteps(group === 'row' ? source : weight, groupSize, rule, signal))
  const count = rows * groupsPerRow(columns, group)
  const spread = (values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
    group === 'tensor' ? new Float32Array(count).fill(values[0] ?? 0) : values
  const layOut = (own: AffineSteps): FixedGrid => ({
    kind: 'fixed',
    groupSize,
    grid: {
      kind: 'uniform',
      largestCode: 2 ** bits - 1,
      scales: spread(own.steps),
      zeroPoints: spread(own.zeroPoints),
      offsets: new Float32Array(count),
    },
    finish: ({ codes }) => store(codes, own),
    ...(group === 'tensor' ? {} : { rescale: (swept, factors) => ({ fixed: layOut(rescaled(own, factors)), swept }) }),
  })
  return layOut(steps)
}

function rescaled({ steps, zeroPoints }: AffineSteps, factors: Float32Array): AffineSteps {
  return { steps: steps.map((step, group) => storedStep(step * (factors[group] ?? 1))), zeroPoints }
}

/** As a file holds it: a half, never 0. */
function storedStep(step: number): number {
  return Math.min(largestHalf, Math.max(smallestHalf, roundToHalf(step)))
}

/** Codes come from the exact step; what is stored is its half, as `AffineParams` says. */
function affineTensor(
  { name, rows, columns }: MatrixShape & { readonly name: string },
  params: AffineParams,
  { codes, steps }: { readonly codes: Uint8Array; readonly steps: AffineSteps },
): QuantizedTensor {
  const scales = steps.steps.map(storedStep)
  const zeroPoints = Uint8Array.from(steps.zeroPoints)
  const affine = { rows, columns, ...params, codes: packRows(codes, { rows, columns }, params.bits), scales, zeroPoints }
  return { name, rows, columns, encoding: 'affine', affine }
}
