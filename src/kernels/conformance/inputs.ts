import type { FloatDType } from '../../core/dtype.ts'
import { bfloat16FromFloat, floatFromBfloat16, largestHalf, narrowToBfloat16, narrowToHalf } from '../../core/float16.ts'
import { createRandom, type Random } from '../../core/random.ts'
import type { Matrix, StoredMatrix } from '../contract/matrix.ts'

/** Kinds of data that kernels get wrong: each names what it is after. */
export const dataKinds = {
  normal: (random) => random.nextNormal() * 0.03,
  'bfloat16 weights': (random) => floatFromBfloat16(bfloat16FromFloat(random.nextNormal() * 0.03)),
  'heavy tails': (random) => random.nextNormal() / Math.max(1e-3, Math.abs(random.nextNormal())),
  'one outlier': (random, index) => (index % 97 === 41 ? 1e4 : random.nextNormal()),
  'all zero': () => 0,
  'zeros of both signs': (random) => (random.next() < 0.5 ? 0 : -0),
  'first zero negative': (_, index) => (index % 2 === 0 ? -0 : 0),
  'one value': () => 0.7,
  'one negative value': () => -0.3,
  'only positive': (random) => 1 + random.next(),
  'only negative': (random) => -1 - random.next(),
  // Multiples of 1/16 are exact in every scale that is a power of two: many quotients lie half way between codes.
  ties: (random) => (Math.floor(random.next() * 513) - 256) / 16,
  'plus and minus the largest': (random) => (random.next() < 0.5 ? -2 : 2),
  // The scale is below the smallest half.
  tiny: (random) => random.nextNormal() * 1e-9,
  // No finite 1 / scale.
  denormal: (random) => Math.trunc(random.nextNormal() * 300) * 2 ** -149,
  // The scale is above the largest half.
  large: (random) => random.nextNormal() * 1e7,
  // max - min overflows f32.
  'at the end of f32': (random) => (random.next() - 0.5) * 6.8e38,
} as const satisfies Readonly<Record<string, (random: Random, index: number) => number>>

export type DataKind = keyof typeof dataKinds
export const dataKindNames = Object.keys(dataKinds) as readonly DataKind[]

/** A matrix of a kind, the same at every call. */
export function sampleMatrix(kind: DataKind, rows: number, columns: number): Matrix {
  const random = createRandom(rows * 65537 + columns)
  return { data: Float32Array.from({ length: rows * columns }, (_, index) => dataKinds[kind](random, index)), rows, columns }
}

/** The same values as a checkpoint of `dtype` holds them, within what a half can hold. */
export function sampleStored(dtype: FloatDType, { data, rows, columns }: Matrix): StoredMatrix {
  const values = data.map((value) => Math.max(-largestHalf, Math.min(largestHalf, value)))
  const stored = dtype === 'F32' ? values : dtype === 'F16' ? narrowToHalf(values) : narrowToBfloat16(values)
  return { bytes: new Uint8Array(stored.buffer), dtype, rows, columns }
}

/** Mean squares as activations have them: over orders of magnitude, and a third of the columns never used. */
export function sampleImportance(columns: number): Float32Array<ArrayBuffer> {
  const random = createRandom(columns)
  return Float32Array.from({ length: columns }, () => (random.next() < 0.3 ? 0 : random.nextNormal() ** 2 * Math.exp(random.nextNormal())))
}

/** Lengths around every vector and block width. */
export const tailLengths = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 129, 257] as const
