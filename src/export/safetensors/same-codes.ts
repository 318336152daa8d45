import type { CodeRows } from '../../checkpoint/source-format.ts'
import { checksumOf } from '../../io/checksum.ts'
import { sameBytes } from '../../kernels/codes/same.ts'
import { type AffineParams, type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { CodeBookParams, CodeBookTensor } from '../../kernels/contract/codebook.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { GridEncoding, QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'

/**
 * Whether rows of a file are those of a stored tile, by the checksum that was taken of its bytes: nothing of it has to be read again.
 * False also where the same weights are stored in other bytes: one scale for all rows, or scales in codes of their own.
 */
export async function haveChecksum(
  found: CodeRows,
  { encoding, checksum }: { readonly encoding: GridEncoding; readonly checksum: string },
): Promise<boolean> {
  if (!isOnGrid(found, encoding)) return false
  const tensor = asStored(found)
  return (await checksumOf(...storage.get(tensor.encoding).parts(tensor))) === checksum
}

/** Rows of a file as the same rows are stored, if their grid is. */
function asStored(found: CodeRows): QuantizedTensor {
  switch (found.encoding) {
    case 'affine': {
      const { rows, columns } = found.affine
      return { name: '', rows, columns, ...found }
    }
    case 'codebook': {
      const { rows, columns } = found.codeBook
      return { name: '', rows, columns, ...found, nested: null }
    }
    case 'int8-rows': {
      const { rows, columns } = found.int8Rows
      return { name: '', rows, columns, ...found }
    }
  }
}

/** Whether their stored bytes would mean the same. */
function isOnGrid(found: CodeRows, encoding: GridEncoding): boolean {
  switch (found.encoding) {
    case 'affine':
      return encoding.encoding === 'affine' && encoding.group !== 'tensor' && isSameGrid(found.affine, encoding)
    case 'codebook':
      return encoding.encoding === 'codebook' && !encoding.isNested && isSameBook(found.codeBook, encoding)
    case 'int8-rows':
      return encoding.encoding === 'int8-rows'
  }
}

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
      return sameBytes(bytesOf(one.codes), bytesOf(other.codes)) && sameFloats(one.scales, other.scales)
    }
  }
}

function sameAffine(found: AffineTensor, stored: AffineTensor): boolean {
  const { rows } = stored
  if (!isSameGrid(found, stored)) return false
  // One scale for the matrix stands in files as one a row.
  const [scales, zeroPoints] =
    stored.group === 'tensor'
      ? [new Float32Array(rows).fill(stored.scales[0] ?? 0), new Uint8Array(rows).fill(stored.zeroPoints[0] ?? 0)]
      : [stored.scales, stored.zeroPoints]
  return sameBytes(found.codes, stored.codes) && sameFloats(found.scales, scales) && sameBytes(found.zeroPoints, zeroPoints)
}

/** Whether codes, scales and zero points have the same places. */
function isSameGrid({ columns, ...found }: AffineTensor, { bits, group }: AffineParams): boolean {
  const groups = groupsPerRow(columns, group)
  if (found.bits !== bits || groupsPerRow(columns, found.group) !== groups) return false
  return groups === 1 || found.group === group
}

function isSameBook(found: CodeBookTensor, { book, blockSize }: CodeBookParams): boolean {
  return found.book === book && found.blockSize === blockSize
}

function sameCodeBook(found: CodeBookTensor, stored: CodeBookTensor): boolean {
  return isSameBook(found, stored) && sameBytes(found.codes, stored.codes) && sameFloats(found.scales, stored.scales)
}

/** Bit by bit. */
function sameFloats(found: Float32Array, stored: Float32Array): boolean {
  return sameBytes(bytesOfFloats(found), bytesOfFloats(stored))
}

function bytesOf({ buffer, byteOffset, length }: Int8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, length)
}
