import { Scratch } from '../io/scratch.ts'
import { flipSigns, splitQ8 } from '../kernels/codes/make.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../kernels/contract/affine.ts'
import { ggmlTypes } from '../kernels/contract/ggml.ts'
import type { MatrixShape } from '../kernels/contract/kernels.ts'
import type { QuantizedTensor, TensorEncoding } from '../quantization/quantized-tensor.ts'
import { unpackRow } from './code-rows.ts'

/** A matrix as whole numbers of 8 bits: value = scales[run] * code, exactly what the stored tensor stands for. */
export interface Int8Matrix extends MatrixShape {
  /** [rows, columns]. */
  readonly codes: Int8Array<ArrayBuffer>
  /** [rows, ceil(columns / run)]. */
  readonly scales: Float32Array
  /** Columns of a row that share a scale; the last run of a row may be short. */
  readonly run: number
}

/** Asymmetric codes minus their zero point span twice the codes' range, so 7 bits are the most that 8 hold. */
const widestAsymmetric = 7

/**
 * Columns that share a scale when a matrix of `columns` is written as whole numbers of 8 bits without rounding anything
 * again; `null` where the encoding has no such form (fractional or second-level scales, tables of values, zero points that
 * do not fit).
 */
export function int8Run(encoding: TensorEncoding, columns: number): number | null {
  if (encoding.encoding === 'ggml') return encoding.type === 'Q8_0' ? ggmlTypes.Q8_0.blockSize : null
  if (encoding.encoding !== 'affine') return null
  if (!encoding.isSymmetric && encoding.bits > widestAsymmetric) return null
  return typeof encoding.group === 'number' ? Math.min(encoding.group, columns) : columns
}

/** Codes may lie in `memory`, and hold until that is used again. Throws `RangeError` for an encoding that `int8Run` refuses. */
export function int8Codes(tensor: QuantizedTensor, memory = new Scratch()): Int8Matrix {
  if (tensor.encoding === 'affine') {
    const { rows, columns, group, scales } = tensor.affine
    return {
      ...{ rows, columns, run: typeof group === 'number' ? Math.min(group, columns) : columns },
      get codes() {
        return affineCodes(tensor.affine, memory)
      },
      get scales() {
        return group === 'tensor' ? new Float32Array(rows).fill(scales[0] ?? 0) : scales
      },
    }
  }
  if (tensor.encoding === 'ggml' && tensor.type === 'Q8_0') {
    const { rows, columns, blocks } = tensor
    const codes = memory.take(rows * columns)
    return { rows, columns, run: ggmlTypes.Q8_0.blockSize, scales: splitQ8(blocks, 0, codes), codes: signed(codes) }
  }
  throw new RangeError(`${tensor.name} has no form in whole numbers of 8 bits`)
}

function signed({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): Int8Array<ArrayBuffer> {
  return new Int8Array(buffer, byteOffset, length)
}

function affineCodes(
  { rows, columns, bits, group, codes, zeroPoints, isSymmetric }: AffineTensor,
  memory: Scratch,
): Int8Array<ArrayBuffer> {
  if (bits === 8 && isSymmetric) return signed(flipSigns(codes, memory.take(codes.length)))
  const run = typeof group === 'number' ? Math.min(group, columns) : columns
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const numbers = new Int8Array(rows * columns)
  const ofRow = new Uint8Array(columns)
  for (let row = 0; row < rows; row++) {
    unpackRow(codes, { at: row * rowBytes, bits, columns }, ofRow)
    for (let index = 0; index < groups; index++) {
      const zero = zeroPoints[group === 'tensor' ? 0 : row * groups + index] ?? 0
      const end = Math.min(columns, (index + 1) * run)
      for (let column = index * run; column < end; column++) numbers[row * columns + column] = (ofRow[column] ?? 0) - zero
    }
  }
  return numbers
}
