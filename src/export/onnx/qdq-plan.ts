import type { Support } from '../../core/support.ts'
import type { LinearSpec } from '../../models/model-graph.ts'
import type { GridEncoding, TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import type { ExportFacts } from '../target.ts'
import { moduleOf } from './plan.ts'

/** A linear in 8 bits: codes around 0 with a scale for each output. */
export interface QdqMatrix {
  readonly name: string
  readonly rows: number
  readonly columns: number
  /** Of its input: one value of an 8-bit code; `null` where the input stays float. NaN before a run. */
  readonly inputScale: number | null
}

const instead = 'Take smoothquant-w8a8-static.'

/** The linears in 8 bits by checkpoint name, or why this recipe has no such form. */
export function planQdq(facts: ExportFacts): ReadonlyMap<string, QdqMatrix> | { readonly refusal: string } {
  const { encodings, graph, inputModes } = facts
  const { blocks, embedding, head } = graph
  for (const { name } of head === null ? [embedding] : [embedding, head]) {
    const encoding = encodings.get(name)
    if (encoding !== undefined && !isFloat(encoding))
      return { refusal: `This format keeps embedding and head in float, and ${name} is quantized.` }
  }
  const planned = new Map<string, QdqMatrix>()
  for (const linear of blocks.flatMap(({ linears }) => linears)) {
    const encoding = encodings.get(linear.weight)
    if (encoding === undefined || isFloat(encoding)) continue
    const support = supports(linear, encoding, facts)
    if (support !== true) return { refusal: support }
    const mode = inputModes.get(linear.weight)
    const inputScale = mode?.kind === 'int8-tensor' ? mode.scale : null
    planned.set(linear.weight, { name: linear.weight, rows: linear.outFeatures, columns: linear.inFeatures, inputScale })
  }
  if (![...planned.values()].some(({ inputScale }) => inputScale !== null)) {
    return {
      refusal: `This format needs one scale for the inputs of each linear, found by calibration, and this recipe leaves them float. ${instead}`,
    }
  }
  return planned
}

function supports({ weight }: LinearSpec, encoding: GridEncoding, { inputModes }: ExportFacts): Support {
  const mode = inputModes.get(weight)
  if (mode?.kind === 'int8-rows') {
    return `This format has one scale for the inputs of each linear, and the inputs of ${weight} are rounded with a scale for each token. ${instead}`
  }
  if (encoding.encoding === 'int8-rows') return true
  const isEightBit = encoding.encoding === 'affine' && encoding.bits === 8 && encoding.isSymmetric && typeof encoding.group !== 'number'
  return isEightBit
    ? true
    : `This format holds symmetric 8-bit codes with one scale a row, and ${weight} is in ${storage.get(encoding.encoding).describe(encoding)}. ${instead}`
}

function isFloat(encoding: TensorEncoding): encoding is TensorEncoding<'source' | 'float'> {
  return encoding.encoding === 'source' || encoding.encoding === 'float'
}

/** Names of what a linear becomes. */
export function qdqNames(weight: string): { readonly codes: string; readonly scales: string } {
  const module = moduleOf(weight)
  return { codes: `${module}.weight_int8`, scales: `${module}.weight_scale` }
}
