import { describe, expect, it } from 'vitest'
import { createRandom } from '../../core/random.ts'
import { baseMatrixOf } from './base-matrix.ts'
import { isRotatable, Rotation } from './rotation.ts'

function normal(length: number, seed = 1): Float32Array<ArrayBuffer> {
  const random = createRandom(seed)
  return Float32Array.from({ length }, () => random.nextNormal())
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0)
}

describe('the base of a rotation', () => {
  // Widths of Qwen 2, SmolLM2, stories15M, Llama 2 13B and others; 100 has no Paley matrix of primes, 200 has.
  it.each([
    [64, 1],
    [12, 12],
    [1536, 12],
    [2560, 20],
    [896, 28],
    [576, 36],
    [960, 60],
    [6656, 104],
    [1600, 200],
  ])('of %i is a Hadamard matrix of %i', (size, width) => {
    const base = baseMatrixOf(size)
    expect(base).toMatchObject({ size: width, isHadamard: true })
    expect(base?.entries.every((entry) => Math.abs(entry) === 1)).toBe(true)
  })

  it.each([
    [15, 15],
    [100, 25],
    [6, 3],
    [2 * 401, 401],
  ])('of %i is Hartley’s matrix of %i, as flat as an orthogonal matrix of every size can be had', (size, width) => {
    const base = baseMatrixOf(size)
    expect(base).toMatchObject({ size: width, isHadamard: false })
    expect(base?.entries.every((entry) => Math.abs(entry) < 1.4143)).toBe(true)
  })

  it('is not made when its odd part is too large', () => {
    expect(isRotatable(2 * 1031)).toBe(false)
    expect(() => new Rotation(2 * 1031, 0)).toThrow('no rotation of 2062 values')
  })
})

describe.each([1, 4, 12, 20, 24, 36, 56, 64, 15, 100, 180])('a rotation of %i values', (size) => {
  const rotation = new Rotation(size, 7)

  it('keeps lengths and angles', () => {
    const identity = Float32Array.from({ length: size * size }, (_, at) => (at % size === Math.floor(at / size) ? 1 : 0))
    const q = rotation.rows(identity)
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        let dot = 0
        for (let k = 0; k < size; k++) dot += (q[i * size + k] ?? 0) * (q[j * size + k] ?? 0)
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-6)
      }
    }
    expect(largestDifference(rotation.rowsBack(q), identity)).toBeLessThan(1e-6)
  })

  it('undoes what it did to rows and columns, and y = x W^T goes through both', () => {
    const [x, w] = [normal(size, 2), normal(3 * size, 3)]
    expect(largestDifference(rotation.rowsBack(rotation.rows(w)), w)).toBeLessThan(1e-5)
    const tall = normal(2 * size * 5, 4)
    expect(largestDifference(rotation.columnsBack(rotation.columns(tall, 5), 5), tall)).toBeLessThan(1e-5)
    const dots = (a: Float32Array, b: Float32Array) =>
      Float32Array.from({ length: 3 }, (_, row) => a.reduce((sum, value, i) => sum + value * (b[row * size + i] ?? 0), 0))
    expect(largestDifference(dots(rotation.rows(x), rotation.rows(w)), dots(x, w))).toBeLessThan(1e-4 * Math.sqrt(size))
    // Outputs: x M^T for M [size, 2] becomes (x M^T) Q.
    const m = normal(size * 2, 5)
    const outputs = (matrix: Float32Array) =>
      Float32Array.from({ length: size }, (_, row) => (matrix[2 * row] ?? 0) - (matrix[2 * row + 1] ?? 0))
    expect(largestDifference(outputs(rotation.columns(m, 2)), rotation.rows(outputs(m)))).toBeLessThan(1e-5)
  })

  it('knows the mean squares of uncorrelated columns', () => {
    const squares = normal(size).map((value) => value ** 2)
    const rotated = rotation.squares(squares)
    const direct = new Float32Array(size)
    for (let i = 0; i < size; i++) {
      const unit = new Float32Array(size)
      unit[i] = 1
      for (const [j, value] of rotation.rows(unit).entries()) direct[j] = (direct[j] ?? 0) + value ** 2 * (squares[i] ?? 0)
    }
    expect(largestDifference(rotated, direct)).toBeLessThan(1e-5)
  })
})

it('spreads one loud column over all', () => {
  const values = new Float32Array(256)
  values[17] = 16
  expect(new Rotation(256, 0).rows(values).every((value) => Math.abs(value) === 1)).toBe(true)
})

it('depends on the seed alone, and refuses what is no run of its size', () => {
  const values = normal(64)
  expect(new Rotation(64, 3).rows(values)).toEqual(new Rotation(64, 3).rows(values))
  expect(new Rotation(64, 3).rows(values)).not.toEqual(new Rotation(64, 4).rows(values))
  expect(() => new Rotation(64, 3).rows(normal(65))).toThrow(RangeError)
})
