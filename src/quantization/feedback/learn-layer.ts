import { roundSteps } from '../../kernels/contract/descent.ts'
import type { SweepGrid, SweepResult } from '../../kernels/contract/feedback.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { encodings } from '../encoding-registry.ts'
import type { QuantizedTensor } from '../quantized-tensor.ts'
import type { RoundingOptions } from '../rounding.ts'
import { groupsOfPositions } from './column-order.ts'
import type { LearnedSettings } from './learned-settings.ts'
import { refitScales } from './refit-scales.ts'
import { type SweptLayer, sweepLayer } from './round-layer.ts'
import { parseFeedback } from './settings.ts'

/**
 * One matrix with learned codes and, where the grid's scales are free numbers, learned scales. They start from what error feedback
 * chose, on the grid that it chose them for, and descend from there: codes for half of the steps, the scales that fit them best,
 * codes for the other half, scales again. Whatever stops error feedback ends in nearest rounding here too. The result never loses
 * more of the layer's outputs on the calibration text than nearest rounding, which takes its place otherwise.
 */
export async function learnLayer(name: string, weight: Matrix, options: RoundingOptions<LearnedSettings>): Promise<QuantizedTensor> {
  const { activations, settings, grid, gridSettings, kernels, signal, onFinding } = options
  const begun = await sweepLayer(name, weight, { ...options, settings: parseFeedback({ kind: 'gptq', crossTerm: settings.hasCrossTerm }) })
  if (begun.kind === 'nearest' || activations === null) return begun.kind === 'nearest' ? begun.tensor : begun.fixed.finish(begun.swept)
  const { gram } = activations
  const rounds = settings.steps / roundSteps
  const half = begun.fixed.rescale === undefined ? rounds : Math.ceil(rounds / 2)
  let layer = await descend(begun, { gram, rounds: half, kernels, signal })
  if (begun.fixed.rescale !== undefined) {
    layer = await refit(layer, { gram, kernels, signal })
    layer = await descend(layer, { gram, rounds: rounds - half, kernels, signal })
    layer = await refit(layer, { gram, kernels, signal })
  }
  const learned = layer.fixed.finish(layer.swept)
  const nearest = await grid.quantizeNearest(name, weight, { settings: gridSettings, kernels, ...(signal === undefined ? {} : { signal }) })
  const errorOf = async (tensor: QuantizedTensor): Promise<number> =>
    (await errorAndValues(begun.live, tensor, { gram, kernels, signal })).error
  const [error, errorOfNearest] = [await errorOf(learned), await errorOf(nearest)]
  if (error <= errorOfNearest) return learned
  onFinding?.({
    cause: `What was learned loses ${error.toPrecision(3)} of the layer's outputs, nearest rounding ${errorOfNearest.toPrecision(3)}.`,
    tried: 'The matrix was rounded to nearest.',
    remedy: 'Calibrate on more or other text.',
  })
  return nearest
}

type Swept = Extract<SweptLayer, { kind: 'swept' }>
type Tools = Pick<RoundingOptions, 'kernels'> & { readonly gram: Float32Array<ArrayBuffer>; readonly signal: AbortSignal | undefined }

/** Other codes on the same scales. */
async function descend(layer: Swept, { gram, rounds, kernels, signal }: Tools & { readonly rounds: number }): Promise<Swept> {
  const { fixed, swept, live } = layer
  const { groups, groupOf } = groupsOfPositions(live.columns, null, fixed.groupSize)
  const options = { gram, start: swept.codes, rounds, groups, groupOf, grid: levelsOf(fixed.grid, swept) }
  const { codes } = await kernels.descendCodes(live, options, signal)
  return { ...layer, swept: { ...swept, codes } }
}

/** Other scales for the same codes, unless a file's rounding of them takes away what they gain. */
async function refit(layer: Swept, tools: Tools): Promise<Swept> {
  const { fixed, swept, live } = layer
  const { gram, kernels, signal } = tools
  const before = await errorAndValues(live, fixed.finish(swept), tools)
  const factors = await refitScales(live, before.values, { gram, groupSize: fixed.groupSize, kernels, signal })
  const other = factors === null ? undefined : fixed.rescale?.(swept, factors)
  if (other === undefined) return layer
  const { error } = await errorAndValues(live, other.fixed.finish(other.swept), tools)
  return error < before.error ? { ...layer, ...other } : layer
}

/** What a tensor loses of the outputs of `weight`, and its values. */
async function errorAndValues(
  weight: Matrix,
  tensor: QuantizedTensor,
  { gram, kernels, signal }: Tools,
): Promise<{ readonly error: number; readonly values: Float32Array<ArrayBuffer> }> {
  const values = await encodings.get(tensor.encoding).dequantize(tensor, kernels, signal)
  const apart = weight.data.map((w, i) => w - (values[i] ?? 0))
  return { values, error: await kernels.traceThroughGram({ ...weight, data: apart }, gram, signal) }
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
