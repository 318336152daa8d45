import { widenValues } from '../../core/widen.ts'
import type { AffineFit } from '../contract/affine.ts'
import type { GgmlType } from '../contract/ggml.ts'
import type { MeasuredBlocks } from '../contract/kernels.ts'
import type { MatrixPiece, MeasuredAffinePiece, StoredPiece } from '../contract/operations.ts'
import { dequantizeAffine, quantizeAffine } from './affine.ts'
import { quantizeGgml } from './ggml/index.ts'
import { compareGgml, compareWeights } from './weights.ts'

export function quantizeStored(piece: StoredPiece, type: GgmlType): MeasuredBlocks {
  const weights = widened(piece)
  const blocks = quantizeGgml(weights, type, null)
  return { blocks, sums: compareGgml(weights, blocks, type) }
}

export function quantizeStoredAffine(piece: StoredPiece, params: AffineFit): MeasuredAffinePiece {
  const weights = widened(piece)
  const tensor = quantizeAffine(weights, params, null)
  const { codes, scales, zeroPoints } = tensor
  return { codes, scales, zeroPoints, sums: compareWeights(weights.data, dequantizeAffine(tensor)) }
}

function widened({ dtype, bytes, rows, columns, firstRow }: StoredPiece): MatrixPiece {
  return { data: widenValues(dtype, bytes), rows, columns, firstRow }
}
