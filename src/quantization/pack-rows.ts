import { packedRowBytes } from '../kernels/contract/affine.ts'
import type { MatrixShape } from '../kernels/contract/kernels.ts'

/** The bit stream of `AffineTensor`, a row at a time. */
export function packRows(codes: Uint8Array, { rows, columns }: MatrixShape, bits: number): Uint8Array<ArrayBuffer> {
  const rowBytes = packedRowBytes(columns, bits)
  const packed = new Uint8Array(rows * rowBytes)
  for (let row = 0; row < rows; row++) {
    let held = 0
    let heldBits = 0
    let at = row * rowBytes
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      held |= (codes[i] ?? 0) << heldBits
      heldBits += bits
      if (heldBits < 8) continue
      packed[at++] = held & 255
      held >>>= 8
      heldBits -= 8
    }
    if (heldBits > 0) packed[at] = held
  }
  return packed
}

/** Codes 0, 1 and 2 as `RealAffineTensor` has them: five to a byte, the first one least significant, a row at a time. */
export function packTritRows(codes: Uint8Array, { rows, columns }: MatrixShape): Uint8Array<ArrayBuffer> {
  const rowBytes = Math.ceil(columns / 5)
  const packed = new Uint8Array(rows * rowBytes)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * rowBytes + Math.floor(column / 5)
      packed[at] = (packed[at] ?? 0) + (codes[row * columns + column] ?? 0) * 3 ** (column % 5)
    }
  }
  return packed
}
