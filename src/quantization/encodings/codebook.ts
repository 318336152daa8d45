import { blockCount, type CodeBookName, type CodeBookParams, type CodeBookTensor, codeBytes } from '../../kernels/contract/codebook.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfFloats, floatsIn, joinBytes, joinFloats } from '../join-arrays.ts'
import { type NestedScales, nestedBlock, restoreScales } from '../nested-scales.ts'
import type { QuantizedTensor } from '../quantized-tensor.ts'

declare module '../quantized-tensor.ts' {
  interface StorageEncodings {
    readonly codebook: {
      readonly settings: CodeBookParams & { readonly isNested: boolean }
      /** `codeBook.scales` are what a reader multiplies by; `nested` is what they come from, when they are nested. */
      readonly tensor: { readonly codeBook: CodeBookTensor; readonly nested: NestedScales | null }
    }
  }
}

const bookNames: Readonly<Record<CodeBookName, string>> = { nf4: 'NF4', fp4: 'FP4', log2: 'power-of-two' }

/** Codes of 16 values and a scale for each block. Stored: codes, then f32 scales, or codes, f32 absmax and offset of nested ones. */
const codebook: Encoding<'codebook'> = {
  kind: 'codebook',
  describe: ({ book, blockSize, isNested }) => `${bookNames[book]} values in blocks of ${blockSize}${isNested ? ', double quantized' : ''}`,
  fileBits: (shape, { blockSize, isNested }) => 8 * (codeBytes(shape) + scaleBytes(shape, blockSize, isNested)),
  storedBytes: (shape, { blockSize, isNested }) => codeBytes(shape) + scaleBytes(shape, blockSize, isNested),
  // A tile is a whole number of blocks; nested scales share an offset over the whole matrix.
  rowStep: (shape, { blockSize, isNested }) => (isNested ? shape.rows : wholeBlocks(shape, blockSize)),
  cutStep: (shape, { blockSize, isNested }) => wholeBlocks(shape, isNested ? nestedBlock * blockSize : blockSize),
  groupSize: () => null,
  encodingOf: ({ codeBook: { book, blockSize }, nested }) => ({ encoding: 'codebook', book, blockSize, isNested: nested !== null }),
  parts({ codeBook: { codes, scales }, nested }) {
    if (nested === null) return [codes, bytesOfFloats(scales)]
    return [codes, nested.codes, bytesOfFloats(nested.absmax), bytesOfFloats(Float32Array.of(nested.offset))]
  },
  fromBytes(bytes, place, { book, blockSize, isNested }) {
    const { rows, columns } = place
    const codes = bytes.subarray(0, codeBytes(place))
    const blocks = blockCount(place, blockSize)
    const nested = isNested ? nestedFrom(bytes.subarray(codes.length), blocks) : null
    const coded = { rows, columns, book, blockSize, codes }
    const codeBook = withScales(coded, () => (nested === null ? floatsIn(bytes, codes.length, blocks) : restoreScales(nested)))
    return { ...place, encoding: 'codebook', codeBook, nested }
  },
  rows(tensor, rowStart, rowEnd) {
    const { codeBook, nested } = tensor
    const { columns, blockSize } = codeBook
    const rows = rowEnd - rowStart
    const [start, end] = [(rowStart * columns) / blockSize, Math.ceil((rowEnd * columns) / blockSize)]
    const codes = codeBook.codes.subarray((rowStart * columns) / 2, Math.ceil((rowEnd * columns) / 2))
    const coded = { rows, columns, book: codeBook.book, blockSize, codes }
    const ownNested = nested && {
      ...nested,
      codes: nested.codes.subarray(start, end),
      absmax: nested.absmax.subarray(start / nestedBlock, Math.ceil(end / nestedBlock)),
    }
    return { ...tensor, rows, codeBook: withScales(coded, () => codeBook.scales.subarray(start, end)), nested: ownNested }
  },
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    const { rows, columns } = place
    const codes = joinBytes(tiles.map((tile) => tile.codeBook.codes))
    const scales = joinFloats(tiles.map((tile) => tile.codeBook.scales))
    return { ...place, encoding: 'codebook', codeBook: { ...first.codeBook, rows, columns, codes, scales }, nested: joinNested(tiles) }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeCodeBook(tensor.codeBook, signal),
}

export default codebook

/** Scales are made when they are first asked for: who copies nested ones needs none. */
function withScales(coded: Omit<CodeBookTensor, 'scales'>, make: () => CodeBookTensor['scales']): CodeBookTensor {
  let scales: CodeBookTensor['scales'] | undefined
  return {
    ...coded,
    get scales() {
      return (scales ??= make())
    },
  }
}

function nestedFrom(bytes: Uint8Array<ArrayBuffer>, blocks: number): NestedScales {
  const floats = floatsIn(bytes, blocks, Math.ceil(blocks / nestedBlock) + 1)
  return { codes: bytes.subarray(0, blocks), absmax: floats.subarray(0, -1), offset: floats.at(-1) ?? 0 }
}

/** Tiles cut from one matrix share its offset. */
function joinNested(tiles: readonly QuantizedTensor<'codebook'>[]): NestedScales | null {
  const parts = tiles.flatMap(({ nested }) => (nested === null ? [] : [nested]))
  const [first] = parts
  if (first === undefined) return null
  return { ...first, codes: joinBytes(parts.map(({ codes }) => codes)), absmax: joinFloats(parts.map(({ absmax }) => absmax)) }
}

/** The fewest rows that are a whole number of blocks. */
function wholeBlocks({ rows, columns }: MatrixShape, blockSize: number): number {
  return Math.min(rows, blockSize / greatestDivisor(columns, blockSize))
}

function scaleBytes(shape: MatrixShape, blockSize: number, isNested: boolean): number {
  const blocks = blockCount(shape, blockSize)
  return isNested ? blocks + 4 * Math.ceil(blocks / nestedBlock) + 4 : 4 * blocks
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
