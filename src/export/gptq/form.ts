import gptqReader from '../../checkpoint/source-formats/gptq.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { scalesByGroup } from '../safetensors/affine-values.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../safetensors/stored-rows.ts'
import { groupIndex, packingUnit, packWeights, packZeros, weightWords, zeroWords } from './packing.ts'

/** Bytes of `qweight` made at a time. */
const pieceBytes = 16 * 1024 * 1024

/** How zero points are stored: `gptq` (v1) minus one, `gptq_v2` as they are. */
export type CheckpointFormat = 'gptq' | 'gptq_v2'

export function isPackable(shape: readonly number[]): boolean {
  return shape.length === 2 && shape.every((extent) => extent % packingUnit === 0)
}

/** A linear in the GPTQ layout, `null` for sizes that it cannot hold. */
export function gptqForm(spec: TensorSpec, { bits, group }: TensorEncoding<'affine'>, format: CheckpointFormat): PackedForm | null {
  const [outFeatures = 0, inFeatures = 0] = spec.shape
  if (!isPackable(spec.shape)) return null
  const module = moduleOf(spec.name)
  const groups = groupsPerRow(inFeatures, group)
  const part = (suffix: string, dtype: SafetensorsDType, shape: readonly number[]) => ({ name: `${module}.${suffix}`, dtype, shape })
  const [weights, zeros, scales, index] = [
    part('qweight', 'I32', [weightWords(inFeatures, bits), outFeatures]),
    part('qzeros', 'I32', [groups, zeroWords(outFeatures, bits)]),
    part('scales', 'F16', [groups, outFeatures]),
    part('g_idx', 'I32', [inFeatures]),
  ] as const
  return {
    specs: [weights, zeros, scales, index],
    *pieces(name, stored) {
      const { affine } = requireEncoding(stored, 'affine')
      if (name === weights.name) yield* weightPieces(affine)
      if (name === zeros.name) yield packZeros(affine, format === 'gptq' ? 1 : 0)
      if (name === scales.name) yield scalesByGroup(affine)
      if (name === index.name) yield groupIndex(inFeatures, group)
    },
    open: (find) => gptqReader.open(spec, find, { checkpoint_format: format }),
  }
}

function* weightPieces(affine: AffineTensor): Generator<Uint8Array<ArrayBuffer>> {
  const words = weightWords(affine.columns, affine.bits)
  const step = Math.max(1, Math.floor(pieceBytes / (4 * affine.rows)))
  for (let start = 0; start < words; start += step) yield packWeights(affine, start, Math.min(words, start + step))
}
