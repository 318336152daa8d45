import { blockCount, type CodeBookName, type CodeBookParams, type CodeBookTensor, codeBytes } from '../../kernels/contract/codebook.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import type { Encoding } from '../encoding.ts'
import { bytesOfFloats, joinBytes, joinFloats } from '../join-arrays.ts'
import { type NestedScales, nestedBlock, restoreScales } from '../nested-scales.ts'

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
  rowStep: ({ rows, columns }, { blockSize, isNested }) =>
    isNested ? rows : Math.min(rows, blockSize / greatestDivisor(columns, blockSize)),
  groupSize: () => null,
  encodingOf: ({ codeBook: { book, blockSize }, nested }) => ({ encoding: 'codebook', book, blockSize, isNested: nested !== null }),
  parts({ codeBook: { codes, scales }, nested }) {
    if (nested === null) return [codes, bytesOfFloats(scales)]
    return [codes, nested.codes, bytesOfFloats(nested.absmax), bytesOfFloats(Float32Array.of(nested.offset))]
  },
  fromBytes(bytes, place, { book, blockSize, isNested }) {
    const { rows, columns } = place
    const codes = bytes.slice(0, codeBytes(place))
    const rest = bytes.slice(codes.length)
    const nested = isNested ? nestedFrom(rest, blockCount(place, blockSize)) : null
    const scales = nested === null ? new Float32Array(rest.buffer) : restoreScales(nested)
    return { ...place, encoding: 'codebook', codeBook: { rows, columns, book, blockSize, codes, scales }, nested }
  },
  join(tiles, place) {
    const [first] = tiles
    if (first === undefined) throw new RangeError(`${place.name} has no tiles`)
    if (first.nested !== null) return first
    const { rows, columns } = place
    const codes = joinBytes(tiles.map((tile) => tile.codeBook.codes))
    const scales = joinFloats(tiles.map((tile) => tile.codeBook.scales))
    return { ...place, encoding: 'codebook', codeBook: { ...first.codeBook, rows, columns, codes, scales }, nested: null }
  },
  dequantize: (tensor, kernels, signal) => kernels.dequantizeCodeBook(tensor.codeBook, signal),
}

export default codebook

function nestedFrom(bytes: Uint8Array<ArrayBuffer>, blocks: number): NestedScales {
  // slice copies, so that f32 starts on a boundary of four whatever the codes before it.
  const floats = new Float32Array(bytes.slice(blocks).buffer)
  return { codes: bytes.slice(0, blocks), absmax: floats.slice(0, -1), offset: floats.at(-1) ?? 0 }
}

function scaleBytes(shape: MatrixShape, blockSize: number, isNested: boolean): number {
  const blocks = blockCount(shape, blockSize)
  return isNested ? blocks + 4 * Math.ceil(blocks / nestedBlock) + 4 : 4 * blocks
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
