import type { CodeRows } from '../../checkpoint/source-format.ts'
import { equalBytes } from '../../core/equal-bytes.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { CodeBookTensor } from '../../kernels/contract/codebook.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'

/** Whether rows of a file stand for the same codes, scales and zero points as stored ones, and so for the same weights. */
export function areSame(found: CodeRows, stored: QuantizedTensor): boolean {
  switch (found.encoding) {
    case 'affine':
      return stored.encoding === 'affine' && sameAffine(found.affine, stored.affine)
    case 'codebook':
      return stored.encoding === 'codebook' && sameCodeBook(found.codeBook, stored.codeBook)
    case 'int8-rows': {
      if (stored.encoding !== 'int8-rows') return false
      const [one, other] = [found.int8Rows, stored.int8Rows]
      return equalBytes(bytesOf(one.codes), bytesOf(other.codes)) && sameFloats(one.scales, other.scales)
    }
  }
}

function sameAffine(found: AffineTensor, stored: AffineTensor): boolean {
  const { rows, columns, bits } = stored
  const groups = groupsPerRow(columns, stored.group)
  if (found.bits !== bits || groupsPerRow(columns, found.group) !== groups) return false
  if (groups > 1 && found.group !== stored.group) return false
  // One scale for the matrix stands in files as one a row.
  const [scales, zeroPoints] =
    stored.group === 'tensor'
      ? [new Float32Array(rows).fill(stored.scales[0] ?? 0), new Uint8Array(rows).fill(stored.zeroPoints[0] ?? 0)]
      : [stored.scales, stored.zeroPoints]
  return equalBytes(found.codes, stored.codes) && sameFloats(found.scales, scales) && equalBytes(found.zeroPoints, zeroPoints)
}

function sameCodeBook(found: CodeBookTensor, stored: CodeBookTensor): boolean {
  if (found.book !== stored.book || found.blockSize !== stored.blockSize) return false
  return equalBytes(found.codes, stored.codes) && sameFloats(found.scales, stored.scales)
}

/** Bit by bit. */
function sameFloats(found: Float32Array, stored: Float32Array): boolean {
  return equalBytes(bytesOfFloats(found), bytesOfFloats(stored))
}

function bytesOf({ buffer, byteOffset, length }: Int8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, length)
}
