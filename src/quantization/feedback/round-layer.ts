import type { Finding } from '../../core/finding.ts'
import type { SweepResult } from '../../kernels/contract/feedback.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import type { FixedGrid } from '../fixed-grid.ts'
import type { QuantizedTensor } from '../quantized-tensor.ts'
import type { LayerActivations, RoundingOptions } from '../rounding.ts'
import { columnOrder, groupsOfPositions } from './column-order.ts'
import { meetFloatOutputs } from './cross-term.ts'
import type { FeedbackSettings } from './settings.ts'

type Options = RoundingOptions<FeedbackSettings>

/** Damping beyond which rounding with feedback is hardly different from nearest rounding. */
const mostDamping = 1
/** Where a recipe asks for none at all and the matrix needs some. */
const leastDamping = 1e-4

/** What error feedback made of a matrix: codes on a grid, or, where that was not possible, the matrix rounded to nearest. */
export type SweptLayer =
  | {
      readonly kind: 'swept'
      readonly fixed: FixedGrid
      readonly swept: SweepResult
      /** The weights that were rounded: without columns that no input uses. */
      readonly live: Matrix
    }
  | { readonly kind: 'nearest'; readonly tensor: QuantizedTensor }

/** One matrix with error feedback. */
export async function roundLayer(name: string, weight: Matrix, options: Options): Promise<QuantizedTensor> {
  const layer = await sweepLayer(name, weight, options)
  return layer.kind === 'nearest' ? layer.tensor : layer.fixed.finish(layer.swept)
}

/**
 * Never fails on what calibration saw: where G does not allow it, damping is raised tenfold as
 * often as it takes; where that does not help, or there is nothing to learn from, the matrix is rounded to nearest. What
 * happened is told to `onFinding`.
 */
export async function sweepLayer(name: string, weight: Matrix, options: Options): Promise<SweptLayer> {
  const { activations, settings, grid, gridSettings, kernels, signal } = options
  const unusable = activations === null ? noInputs : unusableInputs(weight, activations)
  if (activations === null || unusable !== null) return roundNearest(name, weight, options, unusable ?? noInputs)

  const use = diagonalOf(activations)
  const unused = [...use.keys()].filter((column) => use[column] === 0)
  const target = settings.hasCrossTerm ? await targetOf(weight, activations, options) : weight
  const live = withoutColumns(target, unused)
  const scales = settings.order === 'act-order' ? 'before' : settings.scales
  const abortable = signal === undefined ? {} : { signal }
  const fixed = await grid.fixed?.(name, live, {
    settings: gridSettings,
    source: target,
    scales,
    importance: activations.meanSquare,
    kernels,
    ...abortable,
  })
  if (fixed?.kind !== 'fixed') {
    const cause = fixed?.reason ?? 'The grid cannot be laid out before its weights are rounded.'
    return roundNearest(name, weight, options, { cause, remedy: 'Choose another grid for this matrix if it should learn from text.' })
  }
  if (unused.length > 0) {
    options.onFinding?.({
      cause: `The calibration text never used ${unused.length} of ${weight.columns} input columns.`,
      tried: 'Their weights were set to 0, as GPTQ does.',
      remedy: 'Calibrate on more or more varied text.',
      wantsText: true,
    })
  }
  return feedBack(name, live, options, { fixed, use, activations, source: weight })
}

/** What is rounded in place of the weights, so that the errors of the layers before are made up for. */
async function targetOf(weight: Matrix, activations: LayerActivations, options: Options): Promise<Matrix> {
  const { settings, kernels, signal, onFinding } = options
  const { cross, gram } = activations
  // Nothing came away from the float model before the first rounded linear.
  if (cross?.some((value) => value !== 0) !== true) return weight
  const use = diagonalOf(activations)
  const mean = use.reduce((sum, value) => sum + value, 0) / use.length
  for (let damping = settings.damping; damping <= mostDamping; damping = nextDamping(damping)) {
    const factor = await kernels.factorInverse(gram, { order: null, damping: damping * mean }, signal)
    if (factor.kind === 'not-positive-definite') continue
    const target = await meetFloatOutputs(weight, { cross, upper: factor.upper }, kernels, signal)
    if (target.data.every((value) => Number.isFinite(value))) return target
  }
  onFinding?.({
    cause: 'What calibration saw does not say how to make up for the errors of the layers before.',
    tried: 'They were left as they are.',
    remedy: 'Calibrate on more or other text.',
    wantsText: true,
  })
  return weight
}

async function feedBack(
  name: string,
  weight: Matrix,
  options: Options,
  made: { readonly fixed: FixedGrid; readonly use: Float64Array; readonly activations: LayerActivations; readonly source: Matrix },
): Promise<SweptLayer> {
  const { settings, kernels, signal } = options
  const { fixed, use, activations } = made
  const order = columnOrder(use, settings.order, fixed.groupSize)
  const { groups, groupOf } = groupsOfPositions(weight.columns, order, fixed.groupSize)
  const mean = use.reduce((sum, value) => sum + value, 0) / use.length
  let cause = ''
  for (let damping = settings.damping; damping <= mostDamping; damping = nextDamping(damping)) {
    const factor = await kernels.factorInverse(activations.gram, { order, damping: damping * mean }, signal)
    if (factor.kind === 'not-positive-definite') {
      cause ||= `With damping ${settings.damping} what calibration saw leaves input column ${factor.column} undetermined: too few tokens, or inputs that are copies of each other.`
      continue
    }
    const swept = await kernels.sweepColumns(
      weight,
      { upper: factor.upper, order, block: settings.block, groups, groupOf, grid: fixed.grid },
      signal,
    )
    if (swept.losses.some((loss) => !Number.isFinite(loss))) {
      cause ||= `With damping ${settings.damping} the errors that are fed back grow beyond all bounds.`
      continue
    }
    if (cause !== '') {
      options.onFinding?.({
        cause,
        tried: `Damping was raised to ${damping}, which worked.`,
        remedy: 'Calibrate on more text, or raise the damping.',
        wantsText: true,
      })
    }
    return { kind: 'swept', fixed, swept, live: weight }
  }
  return roundNearest(name, made.source, options, {
    cause,
    remedy: 'Calibrate on more or other text.',
    wantsText: true,
    tried: `Damping was raised to ${mostDamping} in vain. `,
  })
}

function nextDamping(damping: number): number {
  if (damping === 0) return leastDamping
  return damping < mostDamping && damping * 10 > mostDamping ? mostDamping : damping * 10
}

const noInputs = {
  cause: 'Calibration saw no inputs of this matrix, as is usual for embeddings and heads.',
  remedy: 'Leave it in float if nearest rounding costs too much.',
}

/** Why inputs are no use, `null` when they are. */
function unusableInputs({ columns }: Matrix, activations: LayerActivations): { readonly cause: string; readonly remedy: string } | null {
  const use = diagonalOf(activations)
  const broken = use.findIndex((value) => !(value >= 0 && value < Infinity))
  if (broken >= 0) {
    const cause = `What goes into input column ${broken} of ${columns} is not finite.`
    return { cause, remedy: 'Look for NaN or infinity in the weights of the blocks before, or calibrate on other text.' }
  }
  if (activations.tokens > 0 && use.some((value) => value > 0)) return null
  return { cause: 'Everything that calibration saw go into this matrix is 0.', remedy: 'Calibrate on other text.' }
}

function diagonalOf({ gram, meanSquare }: LayerActivations): Float64Array {
  const columns = meanSquare.length
  return Float64Array.from({ length: columns }, (_, column) => gram[column * columns + column] ?? 0)
}

function withoutColumns(weight: Matrix, columns: readonly number[]): Matrix {
  if (columns.length === 0) return weight
  const data = weight.data.slice()
  for (let row = 0; row < weight.rows; row++) for (const column of columns) data[row * weight.columns + column] = 0
  return { ...weight, data }
}

/** Without importance: what calibration saw is not to be trusted where this is called. */
async function roundNearest(
  name: string,
  weight: Matrix,
  { grid, gridSettings, kernels, signal, onFinding }: Options,
  { cause, remedy, tried = '', ...rest }: Pick<Finding, 'cause' | 'remedy' | 'wantsText'> & { readonly tried?: string },
): Promise<SweptLayer> {
  onFinding?.({ ...rest, cause, tried: `${tried}The matrix was rounded to nearest.`, remedy, isFallback: true })
  const tensor = await grid.quantizeNearest(name, weight, { settings: gridSettings, kernels, ...(signal === undefined ? {} : { signal }) })
  return { kind: 'nearest', tensor }
}
