import type { ModelConfig } from '../../models/model-graph.ts'
import { rotateBlock, rotatedNames } from '../hadamard/rotated-block.ts'
import { rotateEnds, untied } from '../hadamard/rotated-ends.ts'
import { isRotatable, Rotation } from '../hadamard/rotation.ts'
import { type HadamardSettings, hadamardFields, hadamardFromLabel, hadamardLabel, parseHadamard } from '../hadamard/settings.ts'
import type { Transform } from '../transform.ts'

/** Randomised Hadamard rotation of the hidden states and of the values within heads, all of it folded into weights. */
const hadamard: Transform<HadamardSettings> = {
  kind: 'hadamard',
  order: 4,
  title: 'Hadamard rotation',
  explanation:
    'Weights and inputs are spread evenly over all columns, so that no outlier sets a scale. Exact, free at run time, needs no text.',
  fields: hadamardFields,
  parse: parseHadamard,
  label: hadamardLabel,
  fromLabel: hadamardFromLabel,
  supports({ config: { hidden, headDim } }, { scope }) {
    const stuck = (scope === 'model' ? [hidden, headDim] : [headDim]).find((size) => !isRotatable(size))
    return stuck === undefined || `No rotation of ${stuck} values is known here: its odd part is too large.`
  },
  needsInputs: false,
  roundsInputs: () => false,
  changes: (block, { scope }) => rotatedNames(block, scope),
  operations(block, { scope }) {
    const weights = block.linears.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures * outFeatures, 0)
    const hidden = block.linears.find(({ tap }) => tap in block.norms)?.inFeatures ?? 1
    // Heads are narrower than hidden states, so that this bounds them.
    return scope === 'model' ? (weights / hidden) * Rotation.operations(hidden) : 0
  },
  ends: {
    isUsed: ({ scope }) => scope === 'model',
    graph: (graph) => untied(graph),
    make: (config, settings, finalNorm) => rotateEnds(statesRotation(config, settings), finalNorm),
  },
  async apply(block, tensors, { config, settings }) {
    const states = settings.scope === 'model' ? statesRotation(config, settings) : null
    // Signs of its own: one stream of random numbers for both would make them alike.
    return rotateBlock(block, tensors, { states, heads: new Rotation(config.headDim, settings.seed + 1) })
  },
}

export default hadamard

function statesRotation({ hidden }: ModelConfig, { seed }: HadamardSettings): Rotation {
  return new Rotation(hidden, seed)
}
