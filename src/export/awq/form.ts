import awqReader from '../../checkpoint/source-formats/awq.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { scalesByGroup } from '../safetensors/affine-values.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../safetensors/stored-rows.ts'
import { packWeights, packZeros, wordOutputs } from './packing.ts'

/** Bytes of `qweight` made at a time. */
const pieceBytes = 16 * 1024 * 1024

/** A linear in AWQ's layout, `null` for sizes that it cannot hold: outputs fill words, groups fill rows. */
export function awqForm(spec: TensorSpec, { group }: TensorEncoding<'affine'>): PackedForm | null {
  const [outFeatures = 0, inFeatures = 0] = spec.shape
  if (outFeatures % wordOutputs !== 0 || (typeof group === 'number' && inFeatures % group !== 0)) return null
  const module = moduleOf(spec.name)
  const groups = groupsPerRow(inFeatures, group)
  const weights = { name: `${module}.qweight`, dtype: 'I32', shape: [inFeatures, outFeatures / wordOutputs] } as const
  const zeros = { name: `${module}.qzeros`, dtype: 'I32', shape: [groups, outFeatures / wordOutputs] } as const
  const scales = { name: `${module}.scales`, dtype: 'F16', shape: [groups, outFeatures] } as const
  return {
    specs: [weights, zeros, scales],
    *pieces(name, stored) {
      const { affine } = requireEncoding(stored, 'affine')
      if (name === weights.name) yield* weightPieces(affine)
      if (name === zeros.name) yield packZeros(affine)
      if (name === scales.name) yield scalesByGroup(affine)
    },
    open: (find) => awqReader.open(spec, find, {}),
  }
}

function* weightPieces(affine: AffineTensor): Generator<Uint8Array<ArrayBuffer>> {
  const step = Math.max(1, Math.floor((pieceBytes * 2) / affine.rows))
  for (let start = 0; start < affine.columns; start += step) {
    yield packWeights(affine, start, Math.min(affine.columns, start + step))
  }
}
