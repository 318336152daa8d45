import type { ActivationMode } from '../../kernels/contract/activations.ts'
import type { BlockSpec } from '../../models/model-graph.ts'
import { namesOf, normGroups, type ScaleGroup } from '../scaling/groups.ts'
import { ScaledBlock } from '../scaling/scaled-block.ts'
import { unusableInputs } from '../scaling/unusable-inputs.ts'
import { alphaOperations, searchAlpha } from '../smoothquant/alpha-search.ts'
import { inputMode, plannedModes, withOutput } from '../smoothquant/rounded-inputs.ts'
import {
  parseSmoothQuant,
  type SmoothQuantSettings,
  smoothQuantFields,
  smoothQuantFromLabel,
  smoothQuantLabel,
} from '../smoothquant/settings.ts'
import { columnLargest, smoothingScales } from '../smoothquant/smoothing.ts'
import type { Transform, TransformOptions } from '../transform.ts'

/** Whole numbers of 8 bits with one scale a row: the weights of W8A8. */
const int8Weights = { kind: 'affine', bits: 8, group: 'channel', symmetric: true } as const
const familiarName = 'smoothquant-w8a8'

/** SmoothQuant (Xiao et al. 2023): loud input channels are divided, the weights that meet them multiplied; inputs in 8 bits. */
const smoothquant: Transform<SmoothQuantSettings> = {
  kind: 'smoothquant',
  order: 3,
  title: 'SmoothQuant',
  explanation: 'Loud input channels hand a part of their range to the weights, so that inputs fit in 8 bits as well as weights do.',
  fields: smoothQuantFields,
  parse: parseSmoothQuant,
  label: smoothQuantLabel,
  fromLabel: (label) => smoothQuantFromLabel(label),
  named(name) {
    const transform = smoothQuantFromLabel(name, familiarName)
    return transform === null ? null : { transform, grid: int8Weights }
  },
  exampleNames: [familiarName, `${familiarName}-static`, `${familiarName}-integer`, `${familiarName}-search`],
  // Every family so far has norms without a shift before its linears.
  supports: () => true,
  needsInputs: true,
  needsOutputs: ({ activations }) => activations === 'integer',
  roundsInputs: ({ activations }) => activations !== 'float',
  plannedMode: ({ activations }) => plannedModes[activations],
  changes: (block) => namesOf(block, normGroups(block)),
  operations(block, { alpha }) {
    return alpha === 'search' ? normGroups(block).reduce((sum, { linears }) => sum + alphaOperations(linears), 0) : 0
  },

  async apply(block, tensors, options) {
    const scaled = new ScaledBlock(block, tensors)
    for (const group of normGroups(block)) await smooth(scaled, group, options)
    return scaled.finish(modesOf(scaled, block, options))
  },
}

export default smoothquant

async function smooth(scaled: ScaledBlock, group: ScaleGroup, options: TransformOptions<SmoothQuantSettings>): Promise<void> {
  const { settings, grids } = options
  const inputs = options.inputs.get(group.tap)
  if (inputs === undefined || !group.linears.some(({ role }) => grids.has(role))) return
  const finding = unusableInputs(inputs)
  if (finding !== null) {
    for (const { role } of group.linears) scaled.tell(role, { ...finding, tried: 'The linear was quantized without smoothing.' })
    return
  }
  const linears = group.linears.map(({ role, outFeatures: rows, inFeatures: columns }) => ({
    weight: { data: scaled.tensor(role), rows, columns },
    grid: grids.get(role) ?? null,
  }))
  const alpha = settings.alpha === 'search' ? await searchAlpha(linears, inputs, options) : settings.alpha
  if (alpha === null) return
  const weights = columnLargest(linears.map(({ weight }) => weight))
  scaled.fold(group, smoothingScales(alpha, inputs.largest, weights))
}

function modesOf(
  scaled: ScaledBlock,
  block: BlockSpec,
  { settings, inputs, outputs, grids }: TransformOptions<SmoothQuantSettings>,
): Readonly<Record<string, ActivationMode>> {
  return Object.fromEntries(
    block.linears.flatMap(({ role, tap }) => {
      const seen = inputs.get(tap)
      if (settings.activations === 'float' || seen === undefined || !grids.has(role) || unusableInputs(seen) !== null) return []
      const mode = inputMode(settings.activations, seen.largest, scaled.inputScales(tap))
      return [[role, settings.activations === 'integer' ? withOutput(mode, outputs?.get(role) ?? Number.NaN) : mode]]
    }),
  )
}
