import { StudioError } from '../core/errors.ts'
import type { AffineFit } from './contract/affine.ts'
import { largestBlock, smallestBlock } from './contract/codebook.ts'
import { type GgmlType, ggmlTypes } from './contract/ggml.ts'
import type { MatrixShape } from './contract/kernels.ts'
import type { FlatPiece, MatrixPiece } from './contract/operations.ts'
import type { RealAffineFit } from './contract/real-affine.ts'

/** The fault of a quantizer that met a NaN or an infinity: names the first one. */
export function weightNotFinite({ data, firstRow, columns }: MatrixPiece): StudioError {
  return flatWeightNotFinite({ data, start: firstRow * columns, columns })
}

/** The same for a piece that need not start with a row. */
export function flatWeightNotFinite(piece: FlatPiece): StudioError {
  const index = Math.max(
    0,
    piece.data.findIndex((value) => !Number.isFinite(value)),
  )
  const row = Math.floor((piece.start + index) / piece.columns)
  const column = (piece.start + index) % piece.columns
  return new StudioError('weights-not-finite', {
    title: 'A weight is not a number',
    message: `The value at row ${row}, column ${column} is ${piece.data[index] ?? Number.NaN}; a grid has no place for it.`,
    remedy: 'Get the checkpoint again, or leave this tensor in float with an override.',
    details: { row, column },
  })
}

/** A call that breaks the contract: a fault of the program, not of a checkpoint. */
export function contractBroken(message: string): StudioError {
  return new StudioError('internal', {
    title: 'A kernel was called wrongly',
    message,
    remedy: 'Finished results are safe. Report this with the details copied.',
  })
}

function importanceMissing(type: GgmlType): StudioError {
  return new StudioError('recipe-invalid', {
    title: 'This type needs an importance matrix',
    message: `${type} has so few values that libggml quantizes it only by how much each input column counts.`,
    remedy: 'Take a recipe that measures importance first, or a type with more bits, such as IQ3_S.',
    details: { type },
  })
}

export function requireLength(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw contractBroken(`${what} holds ${actual} elements where its shape asks for ${expected}.`)
}

export function requireBlocks(shape: MatrixShape, type: GgmlType): void {
  const { blockSize } = ggmlTypes[type]
  if (shape.columns % blockSize !== 0) {
    throw contractBroken(`Rows of ${shape.columns} do not divide into ${type} blocks of ${blockSize}.`)
  }
}

/** Some ggml types cannot do without importance. */
export function requireGgmlImportance(shape: MatrixShape, type: GgmlType, importance: Float32Array | null): void {
  if (importance === null && ggmlTypes[type].needsImportance === true) throw importanceMissing(type)
  requireImportance(shape, importance)
}

/** An importance matrix has one weight, finite and not negative, for each column. */
export function requireImportance({ columns }: MatrixShape, importance: Float32Array | null): void {
  if (importance === null) return
  requireLength('An importance matrix', importance.length, columns)
  const column = importance.findIndex((value) => !(value >= 0 && value < Infinity))
  if (column >= 0) throw contractBroken(`The importance of column ${column} is ${importance[column] ?? Number.NaN}.`)
}

export function requireBlockSize(blockSize: number): void {
  const isPower = blockSize >= smallestBlock && blockSize <= largestBlock && Number.isInteger(Math.log2(blockSize))
  if (!isPower) throw contractBroken(`Blocks of a code book are powers of two from ${smallestBlock} to ${largestBlock}, not ${blockSize}.`)
}

export function requireBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 8) throw contractBroken(`The affine grid has 2 to 8 bits, not ${bits}.`)
}

/** Levels of a real-affine grid and what they can be fitted by. */
export function requireLevels({ levels, isSymmetric, fit }: RealAffineFit): void {
  if (levels !== 3 && (!Number.isInteger(Math.log2(levels)) || levels < 2 || levels > 256)) {
    throw contractBroken(`A grid has 2, 3 or another power of two to 256 levels, not ${levels}.`)
  }
  const isPossible = fit === 'mean' ? levels === 2 || (levels === 3 && isSymmetric) : levels !== 3 && !isSymmetric
  if (!isPossible) throw contractBroken(`${levels} levels${isSymmetric ? ', symmetric,' : ''} cannot be fitted by ${fit}.`)
}

export function requireTableBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > 8) throw contractBroken(`A table has 1 to 8 bits, not ${bits}.`)
}

export function requireGroup(group: number | 'row' | 'tensor'): void {
  if (typeof group === 'number' && (!Number.isInteger(group) || group < 1)) {
    throw contractBroken(`A group has at least one column, not ${group}.`)
  }
}

/** For operations that go through a matrix once: its range over all rows is known at the end only. */
export function requireRowGroups(group: number | 'row' | 'tensor'): void {
  if (group === 'tensor') throw contractBroken('A grid over a whole matrix cannot be fitted row by row.')
}

export function requireClip({ clip = 'none', group }: AffineFit): void {
  if (clip === 'mse' && group === 'tensor') throw contractBroken('The clip search works by row or group, not over a whole matrix.')
}

export function requireOrder(order: Int32Array, columns: number): void {
  requireLength('An order of columns', order.length, columns)
  const seen = new Uint8Array(columns)
  for (const column of order) seen[column] = 1
  if (seen.includes(0)) throw contractBroken('An order of columns does not name every column once.')
}
