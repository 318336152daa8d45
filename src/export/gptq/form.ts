import gptqReader from '../../checkpoint/source-formats/gptq.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import { groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import type { MatrixPart } from '../matrix-parts.ts'
import { scalesByGroup } from '../safetensors/affine-values.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../stored-tiles.ts'
import { groupIndex, packingUnit, weightWords, zeroRows, zeroWords } from './packing.ts'

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
  const less = format === 'gptq' ? 1 : 0
  return {
    specs: [weights, zeros, scales, index],
    unit: packingUnit,
    parts: new Map<string, MatrixPart>([
      [
        weights.name,
        {
          kind: 'lines',
          lines: weightWords(inFeatures, bits),
          lineBytes: 4 * outFeatures,
          // A row of stored codes already is the bit stream of one column.
          put({ tile, rowStart }, { lineStart, bytes }, memory) {
            const { codes, rows } = requireEncoding(tile, 'affine').affine
            const lines = { bytes, lineBytes: 4 * outFeatures, at: 4 * rowStart }
            memory.wordsToLines({ bytes: codes, rowBytes: codes.length / rows }, lineStart, lines)
          },
        },
      ],
      [
        zeros.name,
        {
          kind: 'lines',
          lines: groups,
          lineBytes: 4 * zeroWords(outFeatures, bits),
          // A zero point of 0 wraps in v1 to the largest code within its field: a reader that adds one and masks gets 0 back.
          put({ tile, rowStart }, { lineStart, bytes }, memory) {
            const lines = { bytes, lineBytes: 4 * zeroWords(outFeatures, bits), at: 4 * zeroWords(rowStart, bits) }
            memory.bytesToFieldLines(zeroRows(requireEncoding(tile, 'affine').affine), lineStart, lines, { bits, less })
          },
        },
      ],
      [scales.name, scalesByGroup(outFeatures, groups)],
      [index.name, { kind: 'fixed', bytes: () => groupIndex(inFeatures, group) }],
    ]),
    open: (find) => gptqReader.open(spec, find, { checkpoint_format: format }),
  }
}
