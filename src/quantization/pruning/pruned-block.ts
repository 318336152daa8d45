import type { Finding } from '../../core/finding.ts'
import type { Support } from '../../core/support.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import type { BlockSpec, LinearSpec } from '../../models/model-graph.ts'
import type { BlockTensors, GridPlace, TransformedBlock } from '../transform.ts'
import { untouchedBlock } from '../untouched-block.ts'

/** Every linear of the block pruned; the float model of the recipe is the pruned one, which nothing undoes. */
export function prunedBlock(
  block: BlockSpec,
  tensors: BlockTensors,
  prune: (linear: LinearSpec, weight: Matrix, tell: (finding: Finding) => void) => Float32Array<ArrayBuffer>,
): TransformedBlock {
  const findings = new Map<string, Finding[]>()
  const pruned = Object.fromEntries(
    block.linears.map((linear) => {
      const { role, outFeatures: rows, inFeatures: columns } = linear
      const data = tensors[role]
      if (data === undefined) throw new RangeError(`The block has no tensor "${role}".`)
      const tell = (finding: Finding): unknown => findings.set(role, [...(findings.get(role) ?? []), finding])
      return [role, prune(linear, { rows, columns, data }, tell)] as const
    }),
  )
  return { ...untouchedBlock({ ...tensors, ...pruned }), isPruned: true, findings }
}

/** Checkpoint names of what `prunedBlock` changes. */
export function prunedNames(block: BlockSpec): string[] {
  return block.linears.map(({ weight }) => weight)
}

/** Zeros are worth something only where they stay zeros: on a grid that has 0, and under a rounding that looks at one weight. */
export function keepsPruned({ grid, gridSettings, rounding }: GridPlace): Support {
  if (grid.keepsZero?.(gridSettings) !== true) {
    return `${grid.label(gridSettings)} has no code that is exactly 0, so pruned weights would come back. Take an affine grid, Q4_0, Q8_0 or nf4.`
  }
  if (rounding.needsActivations === 'own') {
    return `${rounding.title} moves what one weight loses to the weights after it, pruned ones too, and they would come back. Take nearest rounding.`
  }
  return true
}

/** |w|. */
export function magnitudes({ data }: Matrix): Float32Array<ArrayBuffer> {
  return data.map(Math.abs)
}
