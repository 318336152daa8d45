import { type CodeBookParams, codeBooks, sortBook } from '../kernels/contract/codebook.ts'
import type { Matrix, MatrixShape } from '../kernels/contract/kernels.ts'
import type { FixedGrid, FixOptions } from './fixed-grid.ts'
import { nestScales, restoreScales } from './nested-scales.ts'

/**
 * A code book for roundings that choose codes by themselves: scales are those of nearest rounding, nested ones as a reader
 * restores them. Blocks run over the end of rows, so what shares a scale in a row whichever it is are groups of the greatest
 * common divisor.
 */
export async function fixCodeBook(
  name: string,
  weight: Matrix,
  { book, blockSize, isNested }: CodeBookParams & { readonly isNested: boolean },
  { kernels, signal }: Pick<FixOptions, 'kernels' | 'signal'>,
): Promise<FixedGrid> {
  const { rows, columns } = weight
  const nearest = await kernels.quantizeCodeBook(weight, { book, blockSize }, signal)
  const nested = isNested ? nestScales(nearest.scales) : null
  const scales = nested === null ? nearest.scales : restoreScales(nested)
  const groupSize = greatestDivisor(columns, blockSize)
  const values = codeBooks[book]
  const codes = distinctCodes(book)
  const layOut = (own: Float32Array<ArrayBuffer>): FixedGrid => ({
    kind: 'fixed',
    groupSize,
    grid: {
      kind: 'levels',
      levels: Float32Array.from(codes, (code) => values[code] ?? 0),
      tables: 'shared',
      scales: Float32Array.from(
        { length: (rows * columns) / groupSize },
        (_, group) => own[Math.floor((group * groupSize) / blockSize)] ?? 0,
      ),
      offsets: new Float32Array((rows * columns) / groupSize),
    },
    finish(swept) {
      const codeBook = { ...nearest, scales: own, codes: packNibbles(swept.codes, weight, codes) }
      return { name, rows, columns, encoding: 'codebook', codeBook, nested }
    },
    // A block that goes over the end of a row has one scale for groups of two rows.
    ...(nested !== null || groupSize !== blockSize
      ? {}
      : { rescale: (swept, factors) => ({ fixed: layOut(own.map((scale, block) => scale * (factors[block] ?? 1))), swept }) }),
  })
  return layOut(scales)
}

/** Codes by ascending value; of two with the same value the first. */
function distinctCodes(book: CodeBookParams['book']): Uint8Array<ArrayBuffer> {
  const values = codeBooks[book]
  return sortBook(book).order.filter((code, i, order) => i === 0 || values[code] !== values[order[i - 1] ?? 0])
}

/** Two codes a byte, the first in the high bits; what fills an odd last byte is the code of 0. */
function packNibbles(indices: Uint8Array, { rows, columns }: MatrixShape, codes: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = rows * columns
  const packed = new Uint8Array(Math.ceil(count / 2))
  for (let i = 0; i < count; i++) {
    const at = i >>> 1
    packed[at] = (packed[at] ?? 0) | ((codes[indices[i] ?? 0] ?? 0) << (i % 2 === 0 ? 4 : 0))
  }
  return packed
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
