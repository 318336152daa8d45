import { widenValues } from '../../core/widen.ts'
import type { GgmlType } from '../contract/ggml.ts'
import type { MeasuredBlocks } from '../contract/kernels.ts'
import type { StoredPiece } from '../contract/operations.ts'
import { quantizeGgml } from './ggml/index.ts'
import { compareGgml } from './weights.ts'

export function quantizeStored(piece: StoredPiece, type: GgmlType): MeasuredBlocks {
  const { rows, columns, firstRow } = piece
  const weights = { data: widenValues(piece.dtype, piece.bytes), rows, columns, firstRow }
  const blocks = quantizeGgml(weights, type, null)
  return { blocks, sums: compareGgml(weights, blocks, type) }
}
