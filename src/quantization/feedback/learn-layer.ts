import { roundSteps } from '../../kernels/contract/descent.ts'
import type { SweepGrid, SweepResult } from '../../kernels/contract/feedback.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { encodings } from '../encoding-registry.ts'
import type { QuantizedTensor } from '../quantized-tensor.ts'
import type { RoundingOptions } from '../rounding.ts'
import { groupsOfPositions } from './column-order.ts'
import type { LearnedSettings } from './learned-settings.ts'
import { sweepLayer } from './round-layer.ts'
import { parseFeedback } from './settings.ts'

/**
 * One matrix with learned codes. They start from what error feedback chose, on the grid that it chose them for, and descend from
 * there; so whatever stops error feedback ends in nearest rounding here too. The result never loses more of the layer's outputs
 * on the calibration text than nearest rounding, which takes its place otherwise.
 */
export async function learnLayer(name: string, weight: Matrix, options: RoundingOptions<LearnedSettings>): Promise<QuantizedTensor> {
  const { activations, settings, grid, gridSettings, kernels, signal, onFinding } = options
  const begun = await sweepLayer(name, weight, { ...options, settings: parseFeedback({ kind: 'gptq' }) })
  if (begun.kind === 'nearest' || activations === null) return begun.kind === 'nearest' ? begun.tensor : begun.fixed.finish(begun.swept)
  const { fixed, swept, live } = begun
  const { groups, groupOf } = groupsOfPositions(weight.columns, null, fixed.groupSize)
  const { codes } = await kernels.descendCodes(
    live,
    {
      gram: activations.gram,
      start: swept.codes,
      rounds: settings.steps / roundSteps,
      groups,
      groupOf,
      grid: levelsOf(fixed.grid, swept),
    },
    signal,
  )
  const learned = fixed.finish({ ...swept, codes })
  const nearest = await grid.quantizeNearest(name, weight, { settings: gridSettings, kernels, ...(signal === undefined ? {} : { signal }) })
  const errorOf = async (tensor: QuantizedTensor): Promise<number> => {
    const values = await encodings.get(tensor.encoding).dequantize(tensor, kernels, signal)
    return kernels.traceThroughGram({ ...weight, data: weight.data.map((w, i) => w - (values[i] ?? 0)) }, activations.gram, signal)
  }
  const [error, errorOfNearest] = [await errorOf(learned), await errorOf(nearest)]
  if (error <= errorOfNearest) return learned
  onFinding?.({
    cause: `What was learned loses ${error.toPrecision(3)} of the layer's outputs, nearest rounding ${errorOfNearest.toPrecision(3)}.`,
    tried: 'The matrix was rounded to nearest.',
    remedy: 'Calibrate on more or other text.',
  })
  return nearest
}

/** The values of a grid as tables of levels, those of evenly spaced codes counted from code 0. */
function levelsOf(grid: SweepGrid, { fitted }: SweepResult): Extract<SweepGrid, { kind: 'levels' }> {
  if (grid.kind === 'levels') return grid
  const { scales, zeroPoints } = grid.kind === 'fit' ? { scales: fitted.steps, zeroPoints: fitted.zeroPoints } : grid
  const count = grid.kind === 'fit' ? 2 ** grid.bits : grid.largestCode + 1
  const offsetOf = (group: number): number => (grid.kind === 'fit' ? 0 : (grid.offsets[group] ?? 0))
  return {
    kind: 'levels',
    levels: Float32Array.from({ length: count }, (_, code) => code),
    tables: 'shared',
    scales,
    offsets: scales.map((scale, group) => offsetOf(group) - scale * (zeroPoints[group] ?? 0)),
  }
}
