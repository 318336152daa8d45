import type { ExportFacts } from '../target.ts'
import { computesInHalves } from './activations.ts'
import type { PlannedMatrix } from './plan.ts'

/** How transformers.js calls a file of weights: its `dtype`, and what stands behind `model` (utils/dtypes.js). */
export interface FileFacts {
  readonly dtype: string
  readonly suffix: string
}

const byBits: Readonly<Record<number, FileFacts>> = {
  2: { dtype: 'q2', suffix: '_q2' },
  4: { dtype: 'q4', suffix: '_q4' },
  8: { dtype: 'q8', suffix: '_quantized' },
}
/** With halves for activations; the library has no such names for 8 bits and code books. */
const ofHalves: Readonly<Record<string, FileFacts>> = {
  fp32: { dtype: 'fp16', suffix: '_fp16' },
  q2: { dtype: 'q2f16', suffix: '_q2f16' },
  q4: { dtype: 'q4f16', suffix: '_q4f16' },
}
const bnb4: FileFacts = { dtype: 'bnb4', suffix: '_bnb4' }
const float: FileFacts = { dtype: 'fp32', suffix: '' }

/** After the form that most weights of the blocks are in; `null` where there is no name for it with halves. */
export function fileFacts(facts: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): FileFacts | null {
  const name = commonestForm(facts, matrices)
  return computesInHalves(facts.options) ? (ofHalves[name.dtype] ?? null) : name
}

function commonestForm({ graph }: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): FileFacts {
  const weights = new Map<FileFacts, number>()
  for (const { weight, inFeatures, outFeatures } of graph.blocks.flatMap(({ linears }) => linears)) {
    const matrix = matrices.get(weight)
    const facts = matrix?.form === 'bnb4' ? bnb4 : matrix?.form === 'nbits' ? (byBits[matrix.setting.bits] ?? float) : float
    weights.set(facts, (weights.get(facts) ?? 0) + inFeatures * outFeatures)
  }
  return [...weights].sort(([, a], [, b]) => b - a)[0]?.[0] ?? float
}
