import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { zeroPointOf } from '../safetensors/affine-values.ts'

/**
 * AutoAWQ's layout "gemm" (`awq/modules/linear/gemm.py`): codes and zero points packed along the outputs, eight in a word, in
 * the order in which its kernel takes them apart.
 */

/** Outputs in a word: 4 bits each. */
export const wordOutputs = 8
/** Output that stands in nibble i of a word, least significant first. */
const outputOf = [0, 2, 4, 6, 1, 3, 5, 7] as const

/** Rows [columnStart, columnEnd) of `qweight` [inFeatures, outFeatures / 8]. */
export function packWeights({ rows, columns, codes }: AffineTensor, columnStart: number, columnEnd: number): Uint8Array<ArrayBuffer> {
  const rowBytes = packedRowBytes(columns, 4)
  const wordsARow = rows / wordOutputs
  const words = new Uint32Array((columnEnd - columnStart) * wordsARow)
  for (let word = 0; word < wordsARow; word++) {
    for (const [nibble, output] of outputOf.entries()) {
      const first = (word * wordOutputs + output) * rowBytes
      for (let column = columnStart; column < columnEnd; column++) {
        const byte = codes[first + (column >>> 1)] ?? 0
        const code = column % 2 === 0 ? byte & 15 : byte >>> 4
        const at = (column - columnStart) * wordsARow + word
        words[at] = (words[at] ?? 0) | (code << (4 * nibble))
      }
    }
  }
  return new Uint8Array(words.buffer)
}

/** `qzeros` [groups, outFeatures / 8]: zero points as they are. */
export function packZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const groups = groupsPerRow(tensor.columns, tensor.group)
  const wordsARow = tensor.rows / wordOutputs
  const words = Uint32Array.from({ length: groups * wordsARow }, (_, at) => {
    const first = (at % wordsARow) * wordOutputs
    const group = Math.floor(at / wordsARow)
    return outputOf.reduce<number>((word, output, nibble) => word | (zeroPointOf(tensor, first + output, group) << (4 * nibble)), 0)
  })
  return new Uint8Array(words.buffer)
}
