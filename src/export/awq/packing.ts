import { shortWordsIn } from '../../core/words.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { PackedRows } from '../../kernels/transpose/blocks.ts'

/**
 * AutoAWQ's layout "gemm" (`awq/modules/linear/gemm.py`): codes and zero points packed along the outputs, eight in a word, in
 * the order in which its kernel takes them apart (`LineMemory.nibblesToLines`).
 */

/** Outputs in a word: 4 bits each. */
export const wordOutputs = 8
/** Zero points of rows as the codes of a row lie: two groups a byte, the first in the low half. */
export function packedZeros({ rows, columns, group, zeroPoints }: AffineTensor): PackedRows {
  if (group === 'tensor') return { bytes: new Uint8Array(rows).fill(zeroPoints[0] ?? 0), rowBytes: 1 }
  const groups = groupsPerRow(columns, group)
  const rowBytes = Math.ceil(groups / 2)
  const bytes = new Uint8Array(rows * rowBytes)
  if (groups % 2 === 0) {
    const pairs = shortWordsIn(zeroPoints)
    for (let at = 0; at < bytes.length; at++) {
      const pair = pairs[at] ?? 0
      bytes[at] = pair | (pair >>> 4)
    }
    return { bytes, rowBytes }
  }
  for (let row = 0, at = 0, from = 0; row < rows; row++) {
    for (const end = from + groups; from < end; from += 2) {
      const next = from + 1 < end ? (zeroPoints[from + 1] ?? 0) : 0
      bytes[at++] = (zeroPoints[from] ?? 0) | (next << 4)
    }
    from = (row + 1) * groups
  }
  return { bytes, rowBytes }
}
