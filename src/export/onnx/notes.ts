import type { ExportFacts } from '../target.ts'
import type { PlannedMatrix } from './plan.ts'

/** What is worth knowing about a decoder in these forms before it is written. */
export function notes(facts: ExportFacts, matrices: ReadonlyMap<string, PlannedMatrix>): readonly string[] {
  const { encodings, inputModes, graph } = facts
  const all = [...matrices.values()]
  const found: string[] = []
  const widened = new Set<string>()
  for (const { name, form, ...rest } of all) {
    const encoding = encodings.get(name)
    if (form !== 'nbits' || encoding?.encoding !== 'affine' || !('setting' in rest)) continue
    if (encoding.bits !== rest.setting.bits) widened.add(`${encoding.bits}-bit codes take ${rest.setting.bits} bits each`)
  }
  if (widened.size > 0) found.push(`${[...widened].join(', ')}: the operator has 2, 4 and 8 bits.`)
  if (all.some((matrix) => matrix.form === 'bnb4')) {
    found.push('NF4 and FP4 run on the processor only; a graphics card hands these products back to it.')
  }
  if (all.some((matrix) => matrix.form === 'nbits' && matrix.setting.zero === 'floats')) {
    found.push('Fractional zero points are read by ONNX Runtime on the processor; a graphics card may refuse them.')
  }
  if (all.some((matrix) => matrix.form === 'nbits' && matrix.setting.block < 32)) {
    found.push('Groups of 16 are read on the processor; graphics cards want 32 or more.')
  }
  if (inputModes.size > 0) {
    found.push(
      'Weights only: inputs of linears stay float in this file, while the figures here were measured with rounded inputs. `onnx-qdq` has them rounded.',
    )
  }
  if (graph.config.headDim % 16 !== 0) {
    found.push(
      `Heads of ${graph.config.headDim} values are rotated by an operator of their own: the attention operator rotates multiples of 16.`,
    )
  }
  return found
}
