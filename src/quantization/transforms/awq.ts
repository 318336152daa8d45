import { widestGroup } from '../../kernels/contract/operations.ts'
import { type BlockHalf, halfOf } from '../../models/block-halves.ts'
import type { LinearSpec } from '../../models/model-graph.ts'
import { togetherOperations } from '../awq/choose-ranges.ts'
import { clipRanges } from '../awq/clip-search.ts'
import { halfOperations, type RoundedLoss, type ScaledLinear, searchOperations, searchScales } from '../awq/scale-search.ts'
import { type AwqSettings, awqFields, awqFromLabel, awqLabel, parseAwq } from '../awq/settings.ts'
import { namesOf, pairGroups, type ScaleGroup } from '../scaling/groups.ts'
import { ScaledBlock } from '../scaling/scaled-block.ts'
import { unusableInputs } from '../scaling/unusable-inputs.ts'
import type { Transform, TransformOptions } from '../transform.ts'

/** Linears whose ranges stay: scores grow with the product of two of them, and AutoAWQ leaves them for that. */
const unclipped: ReadonlySet<string> = new Set(['q', 'k'])

/** The half of the block whose end tells more of the errors of these linears than their own outputs do; `null` for a linear alone. */
function judgeOf({ linears: [first, second] }: ScaleGroup, { loss }: AwqSettings): BlockHalf | null {
  return loss === 'linears' || first === undefined || second === undefined ? null : halfOf(first.role)
}

/** Activation-aware weight quantization (Lin et al. 2023), on any grid. */
const awq: Transform<AwqSettings> = {
  kind: 'awq',
  order: 2,
  title: 'AWQ scales',
  explanation: 'Columns with large inputs are made larger before rounding, so that they lose less; the layer before takes the scale back.',
  fields: awqFields,
  parse: parseAwq,
  label: awqLabel,
  fromLabel: awqFromLabel,
  // Every family so far has norms without a shift before its linears.
  supports: () => true,
  needsInputs: true,
  roundsInputs: () => false,
  changes: (block) => namesOf(block, pairGroups(block)),
  needsHalfLoss: ({ loss }) => loss === 'halves',
  operations(block, settings) {
    const scaling = pairGroups(block).reduce((sum, group) => {
      const half = judgeOf(group, settings)
      if (half === null) return sum + searchOperations(group.linears)
      return sum + halfOperations(block.linears.filter(({ role }) => halfOf(role) === half))
    }, 0)
    const clipped = settings.isClipped ? block.linears.filter(({ role }) => !unclipped.has(role)) : []
    return clipped.reduce((sum, { outFeatures: rows, inFeatures: columns }) => sum + togetherOperations({ rows, columns }), scaling)
  },

  async apply(block, tensors, options) {
    const scaled = new ScaledBlock(block, tensors)
    for (const group of pairGroups(block)) await scaleGroup(scaled, group, options)
    if (options.settings.isClipped) for (const linear of block.linears) await clip(scaled, linear, options)
    return scaled.finish()
  },
}

export default awq

async function scaleGroup(scaled: ScaledBlock, group: ScaleGroup, options: TransformOptions<AwqSettings>): Promise<void> {
  const inputs = options.inputs.get(group.tap)
  const linears: ScaledLinear[] = group.linears.flatMap(({ role, outFeatures: rows, inFeatures: columns }) => {
    const grid = options.grids.get(role)
    return grid === undefined ? [] : [{ role, grid, weight: { data: scaled.tensor(role), rows, columns } }]
  })
  if (inputs === undefined || linears.length === 0) return
  const finding = unusableInputs(inputs)
  if (finding !== null) {
    for (const { role } of group.linears) scaled.tell(role, { ...finding, tried: 'The linear was quantized without AWQ scales.' })
    return
  }
  const half = judgeOf(group, options.settings)
  const scales = await searchScales(linears, inputs, half === null ? options : { ...options, lossOf: lossAt(half, options) })
  if (scales !== null) scaled.fold(group, scales)
}

function lossAt(half: BlockHalf, { halfLoss }: TransformOptions<AwqSettings>): RoundedLoss {
  if (halfLoss === undefined) throw new RangeError(`AWQ was to measure errors at the end of ${half}, and has nothing to measure them with`)
  return (rounded, tokens) => halfLoss(half, rounded, tokens)
}

async function clip(scaled: ScaledBlock, linear: LinearSpec, options: TransformOptions<AwqSettings>): Promise<void> {
  const { role, tap, outFeatures: rows, inFeatures: columns } = linear
  const grid = options.grids.get(role)
  const inputs = options.inputs.get(tap)
  if (unclipped.has(role) || grid === undefined || inputs === undefined) return
  if (grid.rangeColumns === null || grid.rangeColumns > widestGroup) return
  if (unusableInputs(inputs) !== null) return
  const from = { grid, inputs, scales: scaled.inputScales(tap), rangeColumns: grid.rangeColumns }
  scaled.replace(role, await clipRanges({ data: scaled.tensor(role), rows, columns }, from, options))
}
