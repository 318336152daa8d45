import { StudioError } from '../core/errors.ts'
import type { AffineFit } from './contract/affine.ts'
import { type GgmlType, ggmlTypes } from './contract/ggml.ts'
import type { MatrixShape } from './contract/kernels.ts'
import type { MatrixPiece } from './contract/operations.ts'

/** The fault of a quantizer that met a NaN or an infinity: names the first one. */
export function weightNotFinite(piece: MatrixPiece): StudioError {
  const index = Math.max(
    0,
    piece.data.findIndex((value) => !Number.isFinite(value)),
  )
  const row = piece.firstRow + Math.floor(index / piece.columns)
  const column = index % piece.columns
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

export function requireLength(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw contractBroken(`${what} holds ${actual} elements where its shape asks for ${expected}.`)
}

export function requireBlocks(shape: MatrixShape, type: GgmlType): void {
  const { blockSize } = ggmlTypes[type]
  if (shape.columns % blockSize !== 0) {
    throw contractBroken(`Rows of ${shape.columns} do not divide into ${type} blocks of ${blockSize}.`)
  }
}

/** An importance matrix has one weight, finite and not negative, for each column. */
export function requireImportance({ columns }: MatrixShape, importance: Float32Array | null): void {
  if (importance === null) return
  requireLength('An importance matrix', importance.length, columns)
  const column = importance.findIndex((value) => !(value >= 0 && value < Infinity))
  if (column >= 0) throw contractBroken(`The importance of column ${column} is ${importance[column] ?? Number.NaN}.`)
}

export function requireBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 2 || bits > 8) throw contractBroken(`The affine grid has 2 to 8 bits, not ${bits}.`)
}

export function requireGroup(group: number | 'row' | 'tensor'): void {
  if (typeof group === 'number' && (!Number.isInteger(group) || group < 1)) {
    throw contractBroken(`A group has at least one column, not ${group}.`)
  }
}

export function requireClip({ clip = 'none', group }: AffineFit): void {
  if (clip === 'mse' && group === 'tensor') throw contractBroken('The clip search works by row or group, not over a whole matrix.')
}
