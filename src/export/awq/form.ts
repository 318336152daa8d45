import awqReader from '../../checkpoint/source-formats/awq.ts'
import { groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import type { MatrixPart } from '../matrix-parts.ts'
import { scalesByGroup } from '../safetensors/affine-values.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../stored-tiles.ts'
import { packedZeros, wordOutputs } from './packing.ts'

/** A linear in AWQ's layout, `null` for sizes that it cannot hold: outputs fill words, groups fill rows. */
export function awqForm(spec: TensorSpec, { group }: TensorEncoding<'affine'>): PackedForm | null {
  const [outFeatures = 0, inFeatures = 0] = spec.shape
  if (outFeatures % wordOutputs !== 0 || (typeof group === 'number' && inFeatures % group !== 0)) return null
  const module = moduleOf(spec.name)
  const groups = groupsPerRow(inFeatures, group)
  const weights = { name: `${module}.qweight`, dtype: 'I32', shape: [inFeatures, outFeatures / wordOutputs] } as const
  const zeros = { name: `${module}.qzeros`, dtype: 'I32', shape: [groups, outFeatures / wordOutputs] } as const
  const scales = { name: `${module}.scales`, dtype: 'F16', shape: [groups, outFeatures] } as const
  const lineBytes = outFeatures / 2
  return {
    specs: [weights, zeros, scales],
    unit: wordOutputs,
    parts: new Map<string, MatrixPart>([
      [
        weights.name,
        {
          kind: 'lines',
          lines: inFeatures,
          lineBytes,
          put({ tile, rowStart }, { lineStart, bytes }, memory) {
            const { codes, rows } = requireEncoding(tile, 'affine').affine
            const lines = { bytes, lineBytes, at: rowStart / 2 }
            memory.nibblesToLines({ bytes: codes, rowBytes: codes.length / rows }, lineStart, lines)
          },
        },
      ],
      [
        zeros.name,
        {
          kind: 'lines',
          lines: groups,
          lineBytes,
          put({ tile, rowStart }, { lineStart, bytes }, memory) {
            memory.nibblesToLines(packedZeros(requireEncoding(tile, 'affine').affine), lineStart, { bytes, lineBytes, at: rowStart / 2 })
          },
        },
      ],
      [scales.name, scalesByGroup(outFeatures, groups)],
    ]),
    open: (find) => awqReader.open(spec, find, {}),
  }
}
