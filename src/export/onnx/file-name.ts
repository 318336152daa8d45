import type { ExportFacts } from '../target.ts'
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
const bnb4: FileFacts = { dtype: 'bnb4', suffix: '_bnb4' }
const float: FileFacts = { dtype: 'fp32', suffix: '' }

/** After the form that most weights of the blocks are in. */
export function fileFacts({ checkpoint: { graph } }: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): FileFacts {
  const weights = new Map<FileFacts, number>()
  for (const { weight, inFeatures, outFeatures } of graph.blocks.flatMap(({ linears }) => linears)) {
    const matrix = matrices.get(weight)
    const facts = matrix?.form === 'bnb4' ? bnb4 : matrix?.form === 'nbits' ? (byBits[matrix.setting.bits] ?? float) : float
    weights.set(facts, (weights.get(facts) ?? 0) + inFeatures * outFeatures)
  }
  return [...weights].sort(([, a], [, b]) => b - a)[0]?.[0] ?? float
}
