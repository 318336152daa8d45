import { ownBytes } from '../../core/shared-memory.ts'
import { Scratch } from '../../io/scratch.ts'
import { flipSigns, splitQ8, type Widening, widenFields, widenTrits } from '../../kernels/codes/make.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { ggmlTypes } from '../../kernels/contract/ggml.ts'
import { codeRowBytes, type RealAffineTensor } from '../../kernels/contract/real-affine.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { blockHalves, q4Codes, q5Codes } from '../block-codes.ts'
import { unpackRow } from '../code-rows.ts'
import { blocksPerRow, type NBits, plainBlocks, zeroRowBytes } from './nbits.ts'

/** A stored matrix as the operator sees it: value = (code - zero) * scale. */
export interface CodeMatrix {
  readonly rows: number
  readonly columns: number
  /** Codes of a row, one a byte, in the operator's width. */
  readonly readCodes: (row: number, into: Uint8Array) => void
  readonly scaleAt: (row: number, column: number) => number
  /** Where the setting stores zero points. */
  readonly zeroAt: (row: number, column: number) => number
  /**
   * All codes as the operator packs them, as they are or in `memory`, for rows that no block has to be filled up in; `null` where they
   * have to be read one by one.
   */
  readonly packed: ((memory: Scratch) => Uint8Array<ArrayBuffer> | null) | null
  /** Scales and zero points as they are stored, [rows, groups], where they are those of the operator. */
  readonly stored?: StoredGroups
}

interface StoredGroups {
  /** Columns of a group. */
  readonly width: number
  readonly scales: Float32Array
  /** Absent: zero points are no codes. */
  readonly zeros?: Uint8Array
}

/** A tile as the operator has it, but for zero points. */
export interface TileInFile {
  /** B, [rows, blocks, block * bits / 8]. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** [rows, blocks]. */
  readonly scales: Float32Array<ArrayBuffer>
}

/**
 * Codes and scales of a tile, each made when it is asked for; codes may lie in `memory`, and hold until that is used again. Throws
 * `RangeError` for a tensor that `nbitsOf` refuses.
 */
export function tileInFile(tile: QuantizedTensor, setting: NBits, memory = new Scratch()): TileInFile {
  if (tile.encoding !== 'ggml') {
    const matrix = codeMatrix(tile, setting)
    return {
      get codes() {
        return packCodes(matrix, setting, memory)
      },
      get scales() {
        return blockScales(matrix, setting)
      },
    }
  }
  const { type, blocks, rows, columns } = tile
  if (plainBlocks[type] !== setting.bits) throw new RangeError(`${type} blocks have no codes of ${setting.bits} bits`)
  if (type === 'Q8_0') {
    const codes = memory.take(rows * columns)
    return { codes, scales: splitQ8(blocks, 0x80, codes) }
  }
  return {
    get codes() {
      return type === 'Q4_0' ? q4Codes(blocks) : q5Codes(blocks)
    },
    get scales() {
      return blockHalves(blocks, ggmlTypes[type].blockBytes)
    },
  }
}

/** Codes around a zero point, of a tensor that is not in blocks of ggml. Throws `RangeError` for one that has none. */
export function codeMatrix(tensor: QuantizedTensor, setting: NBits): CodeMatrix {
  switch (tensor.encoding) {
    case 'affine':
      return affineCodes(tensor.affine, setting)
    case 'real-affine':
      return realAffineCodes(tensor.realAffine, setting)
    case 'int8-rows': {
      const { rows, columns, codes, scales } = tensor.int8Rows
      return {
        rows,
        columns,
        readCodes(row, into) {
          for (let column = 0; column < columns; column++) into[column] = (codes[row * columns + column] ?? 0) + 128
        },
        scaleAt: (row) => (scales[row] ?? 0) / 127,
        zeroAt: () => 128,
        packed:
          setting.bits === 8
            ? (memory) => flipSigns(new Uint8Array(codes.buffer, codes.byteOffset, codes.length), memory.take(codes.length))
            : null,
      }
    }
    case 'ggml':
    case 'codebook':
    case 'k-means':
    case 'float':
      throw new RangeError(`${tensor.name} in ${tensor.encoding} has no codes around a zero point`)
  }
}

function affineCodes(affine: AffineTensor, setting: NBits): CodeMatrix {
  const { rows, columns, bits, group, isSymmetric, codes, scales, zeroPoints } = affine
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  // The zero point of symmetric codes moves to where the operator expects it in its own width.
  const shift = isSymmetric ? 2 ** (setting.bits - 1) - 2 ** (bits - 1) : 0
  const groupAt = (row: number, column: number): number =>
    group === 'tensor' ? 0 : row * groups + (group === 'row' ? 0 : Math.floor(column / group))
  return {
    rows,
    columns,
    readCodes(row, into) {
      unpackRow(codes, { at: row * rowBytes, bits, columns }, into)
      if (shift !== 0) for (let column = 0; column < columns; column++) into[column] = (into[column] ?? 0) + shift
    },
    scaleAt: (row, column) => scales[groupAt(row, column)] ?? 0,
    zeroAt: (row, column) => zeroPoints[groupAt(row, column)] ?? 0,
    ...(typeof group === 'number' ? { stored: { width: group, scales, zeros: zeroPoints } } : {}),
    packed: (memory) =>
      bits === setting.bits ? ownBytes(codes) : widened(codes, { from: bits, to: setting.bits, factor: 1, shift }, memory),
  }
}

function realAffineCodes(tensor: RealAffineTensor, setting: NBits): CodeMatrix {
  const { rows, columns, levels, group, codes, scales, zeroPoints } = tensor
  const rowBytes = codeRowBytes(columns, levels)
  const groups = groupsPerRow(columns, group)
  const groupAt = (row: number, column: number): number => row * groups + (group === 'row' ? 0 : Math.floor(column / group))
  // -m and m are codes 1 and 3 around 2 with half the step; -m, 0 and m are 1, 2 and 3.
  const [factor, shift, step] =
    setting.zero !== 'default' ? ([1, 0, 1] as const) : levels === 2 ? ([2, 1, 0.5] as const) : ([1, 1, 1] as const)
  return {
    rows,
    columns,
    readCodes(row, into) {
      if (levels === 3) unpackTrits(codes.subarray(row * rowBytes, (row + 1) * rowBytes), columns, into)
      else unpackRow(codes, { at: row * rowBytes, bits: Math.log2(levels), columns }, into)
      if (factor !== 1 || shift !== 0) for (let column = 0; column < columns; column++) into[column] = factor * (into[column] ?? 0) + shift
    },
    scaleAt: (row, column) => step * (scales[groupAt(row, column)] ?? 0),
    ...(typeof group === 'number' && step === 1 ? { stored: { width: group, scales } } : {}),
    zeroAt: (row, column) => (tensor.isSymmetric ? (levels - 1) / 2 : (zeroPoints[groupAt(row, column)] ?? 0)),
    packed(memory) {
      if (levels === 3) {
        if (setting.zero !== 'default') return null
        const fields = memory.take((rows * columns) / 4)
        return widenTrits(codes, columns, fields) ? fields : null
      }
      const widening = { from: Math.log2(levels), to: setting.bits, factor, shift }
      return widening.from === setting.bits && factor === 1 && shift === 0 ? ownBytes(codes) : widened(codes, widening, memory)
    },
  }
}

/** A bit stream whose rows are whole blocks of 16 or more, in `memory`. */
function widened(codes: Uint8Array, widening: Widening, memory: Scratch): Uint8Array<ArrayBuffer> {
  const fields = memory.take((codes.length * widening.to) / widening.from)
  widenFields(codes, widening, fields)
  return fields
}

/** Five codes of 0 to 2 a byte, the first least significant. */
function unpackTrits(codes: Uint8Array, columns: number, into: Uint8Array): void {
  for (let column = 0, byte = 0; column < columns; byte++) {
    let five = codes[byte] ?? 0
    for (const end = Math.min(columns, column + 5); column < end; column++) {
      const rest = Math.trunc(five / 3)
      into[column] = five - 3 * rest
      five = rest
    }
  }
}

/** B, [rows, blocks, block * bits / 8]. */
export function packCodes(matrix: CodeMatrix, setting: NBits, memory = new Scratch()): Uint8Array<ArrayBuffer> {
  const { rows, columns } = matrix
  const { bits, block } = setting
  const padded = blocksPerRow(setting, columns) * block
  const rowBytes = (padded * bits) / 8
  // Blocks are whole bytes at every width, so rows of whole blocks are one stream.
  const whole = columns === padded ? matrix.packed?.(memory) : null
  if (whole) return whole
  const packed = new Uint8Array(rows * rowBytes)
  const codes = new Uint8Array(padded)
  for (let row = 0; row < rows; row++) {
    matrix.readCodes(row, codes)
    codes.fill(setting.zero === 'codes' ? matrix.zeroAt(row, columns - 1) : 2 ** (bits - 1), columns)
    const start = row * rowBytes
    for (let byte = 0, code = 0; byte < rowBytes; byte++) {
      let value = 0
      for (let shift = 0; shift < 8; shift += bits) value |= (codes[code++] ?? 0) << shift
      packed[start + byte] = value
    }
  }
  return packed
}

/** Where the operator's blocks are the groups that are stored. */
function ofOwnBlocks({ columns, stored }: CodeMatrix, { block }: NBits): StoredGroups | null {
  return stored?.width === block && columns % block === 0 ? stored : null
}

/** [rows, blocks]. */
export function blockScales(matrix: CodeMatrix, setting: NBits): Float32Array<ArrayBuffer> {
  const own = ofOwnBlocks(matrix, setting)
  if (own !== null) return new Float32Array(own.scales)
  return ofBlocks(matrix, setting, matrix.scaleAt)
}

/** Fractional zero points [rows, blocks]. */
export function blockZeros(matrix: CodeMatrix, setting: NBits): Float32Array<ArrayBuffer> {
  return ofBlocks(matrix, setting, matrix.zeroAt)
}

function ofBlocks(
  { rows, columns }: CodeMatrix,
  setting: NBits,
  valueAt: (row: number, column: number) => number,
): Float32Array<ArrayBuffer> {
  const blocks = blocksPerRow(setting, columns)
  const values = new Float32Array(rows * blocks)
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += setting.block) values[at++] = valueAt(row, column)
  }
  return values
}

/** Zero points as codes, packed along each row, [rows, ceil(blocks * bits / 8)]. */
export function packZeros(matrix: CodeMatrix, setting: NBits): Uint8Array<ArrayBuffer> {
  const { rows, columns } = matrix
  const { bits, block } = setting
  const blocks = blocksPerRow(setting, columns)
  const rowBytes = zeroRowBytes(setting, blocks)
  const packed = new Uint8Array(rows * rowBytes)
  const zeros = ofOwnBlocks(matrix, setting)?.zeros
  if (zeros !== undefined && blocks % (8 / bits) === 0) {
    for (let at = 0, from = 0; at < packed.length; at++) {
      let byte = 0
      for (let shift = 0; shift < 8; shift += bits) byte |= (zeros[from++] ?? 0) << shift
      packed[at] = byte
    }
    return packed
  }
  for (let row = 0, at = 0; row < rows; row++) {
    for (let index = 0; index < blocks; at++) {
      let byte = 0
      for (let shift = 0; shift < 8 && index < blocks; shift += bits, index++) byte |= matrix.zeroAt(row, index * block) << shift
      packed[at] = byte
    }
  }
  return packed
}
