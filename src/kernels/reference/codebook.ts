import { type CodeBookParams, type CodeBookTensor, codeBooks, smallestDivisor, sortBook } from '../contract/codebook.ts'
import type { FlatPiece } from '../contract/operations.ts'
import { flatWeightNotFinite } from '../faults.ts'

type CodesAndScales = Pick<CodeBookTensor, 'codes' | 'scales'>

/** The rule is at `CodeBookParams`. */
export function quantizeCodeBook(piece: FlatPiece, { book, blockSize }: CodeBookParams): CodesAndScales {
  const { data } = piece
  const { order, midpoints } = sortBook(book)
  const codeOf = (v: number): number => order[midpoints.reduce((count, midpoint) => (midpoint < v ? count + 1 : count), 0)] ?? 0
  const codes = new Uint8Array(Math.ceil(data.length / 2))
  const scales = new Float32Array(Math.ceil(data.length / blockSize))
  const put = (i: number, v: number): void => {
    const at = Math.floor(i / 2)
    codes[at] = (codes[at] ?? 0) + codeOf(v) * (i % 2 === 0 ? 16 : 1)
  }
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize
    const end = Math.min(data.length, start + blockSize)
    let largest = 0
    for (let i = start; i < end; i++) {
      const magnitude = Math.abs(data[i] ?? 0)
      if (!Number.isFinite(magnitude)) throw flatWeightNotFinite(piece)
      if (magnitude > largest) largest = magnitude
    }
    const isShort = end - start < blockSize
    const divisor = Math.max(largest, smallestDivisor)
    const inverse = Math.fround(1 / divisor)
    scales[block] = isShort ? divisor : largest
    for (let i = start; i < end; i++) put(i, Math.fround(isShort ? (data[i] ?? 0) / divisor : (data[i] ?? 0) * inverse))
  }
  if (data.length % 2 === 1) put(data.length, 0)
  return { codes, scales }
}

export function dequantizeCodeBook({ codes, scales, book, blockSize, rows, columns }: CodeBookTensor): Float32Array<ArrayBuffer> {
  const values = codeBooks[book]
  const output = new Float32Array(rows * columns)
  for (let i = 0; i < output.length; i++) {
    const pair = codes[Math.floor(i / 2)] ?? 0
    const code = i % 2 === 0 ? pair >> 4 : pair & 15
    output[i] = (values[code] ?? 0) * (scales[Math.floor(i / blockSize)] ?? 0)
  }
  return output
}
