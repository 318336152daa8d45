import { ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { GridEncoding, TensorEncoding } from '../../quantization/quantized-tensor.ts'

/**
 * How `MatMulNBits` and `GatherBlockQuantized` of ONNX Runtime hold a matrix: w = (code - zero) * scale, rows in blocks of
 * consecutive columns, the last one filled up.
 */
export interface NBits {
  /** Widths that the operator knows; codes of other widths lie in the next larger one. */
  readonly bits: 2 | 4 | 8
  /** Columns that share a scale: a power of two from `smallestBlock` to `largestBlock`. */
  readonly block: number
  /** Not stored (2^(bits - 1)), one code a block, or one float a block. */
  readonly zero: 'default' | 'codes' | 'floats'
}

const smallestBlock = 16
/** The largest that the kernels of the processor know. */
const largestBlock = 256
/** Where a group is a whole row: few scales, and blocks that every kernel takes. */
const commonBlocks: readonly number[] = [128, 64, 32]

/** How the operator holds a matrix of this encoding, or why it cannot. `isGathered`: rows are also looked up, so they must not be padded. */
export function nbitsOf(encoding: GridEncoding, columns: number, isGathered: boolean): NBits | { readonly refusal: string } {
  switch (encoding.encoding) {
    case 'affine':
      return withBlock(encoding.group, columns, isGathered, {
        bits: containerOf(encoding.bits),
        zero: encoding.isSymmetric ? 'default' : 'codes',
      })
    case 'real-affine':
      return realAffine(encoding, columns, isGathered)
    case 'int8-rows':
      return withBlock('row', columns, isGathered, { bits: 8, zero: 'default' })
    case 'ggml': {
      const bits = plainBlocks[encoding.type]
      if (bits === undefined)
        return { refusal: `ONNX has no operator for ${encoding.type} blocks. Take a recipe such as nearest-4bit-g32, Q4_0 or Q8_0.` }
      return withBlock(ggmlTypes[encoding.type].blockSize, columns, isGathered, { bits, zero: 'default' })
    }
    case 'k-means':
      return { refusal: 'ONNX has no operator for tables of values. Take a recipe such as nearest-4bit-g32 or nf4.' }
    case 'codebook':
    case 'float':
      return { refusal: 'ONNX has no operator that looks up rows of such values. Leave the embedding in float.' }
  }
}

/** ggml types that are one half a block times whole numbers around 0, and the bits their codes lie in here. */
export const plainBlocks: Readonly<Partial<Record<TensorEncoding<'ggml'>['type'], NBits['bits']>>> = { Q4_0: 4, Q5_0: 8, Q8_0: 8 }

function realAffine({ levels, isSymmetric, group }: TensorEncoding<'real-affine'>, columns: number, isGathered: boolean) {
  const bits = containerOf(Math.ceil(Math.log2(levels)))
  // Around 0 with 2 or 3 values: halved steps or a shift make the zero point a code.
  if (isSymmetric && levels <= 3) return withBlock(group, columns, isGathered, { bits, zero: 'default' })
  if (bits === 8) return { refusal: 'ONNX Runtime has no fractional zero points for 8-bit codes. Take 4 bits or fewer, or another grid.' }
  if (isGathered) return { refusal: 'ONNX has no operator that looks up rows with fractional zero points. Leave the embedding in float.' }
  return withBlock(group, columns, isGathered, { bits, zero: 'floats' })
}

function containerOf(bits: number): NBits['bits'] {
  return bits <= 2 ? 2 : bits <= 4 ? 4 : 8
}

/** The largest block that lies within one group, so that scales are repeated as seldom as can be. */
function withBlock(
  group: number | 'row' | 'tensor',
  columns: number,
  isGathered: boolean,
  rest: Omit<NBits, 'block'>,
): NBits | { readonly refusal: string } {
  const block = typeof group === 'number' ? dividingBlock(group) : rowBlock(columns)
  if (block === null) {
    return {
      refusal: `ONNX Runtime has blocks of 16 to 256 weights, powers of two, and groups of ${String(group)} are no whole number of them.`,
    }
  }
  if (isGathered && columns % block !== 0) {
    return {
      refusal: `Rows of the embedding have ${columns} values, which is not a multiple of the block of ${block}. Leave the embedding in float.`,
    }
  }
  return { ...rest, block }
}

function dividingBlock(group: number): number | null {
  for (let block = largestBlock; block >= smallestBlock; block /= 2) if (group % block === 0) return block
  return null
}

/** The block that fills rows up least; of equals the largest. */
function rowBlock(columns: number): number {
  const filled = (block: number): number => Math.ceil(columns / block) * block
  return commonBlocks.reduce((best, block) => (filled(block) < filled(best) ? block : best))
}

/** Blocks of a row, the last one filled up. */
export function blocksPerRow({ block }: NBits, columns: number): number {
  return Math.ceil(columns / block)
}

/** Bytes of a row of packed zero points. */
export function zeroRowBytes({ bits }: NBits, blocks: number): number {
  return Math.ceil((blocks * bits) / 8)
}
