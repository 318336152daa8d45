import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { isShared } from '../core/shared-memory.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import { startThreadDouble } from './conformance/thread-double.ts'
import { f32Columns, largestF32Residual, type SweepOptions } from './contract/feedback.ts'
import type { Kernels } from './contract/kernels.ts'
import { createKernelPool } from './pool.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels, loadWasmOperations } from './wasm/index.ts'

/** G of n columns over `tokens` tokens. */
const gramOf = (kernels: Kernels, n: number, tokens: number): Promise<Float32Array<ArrayBuffer>> =>
  kernels.accumulateGram(new Float32Array(n * n), sampleMatrix('normal', tokens, n))

const inOrder = (columns: number, size: number): Pick<SweepOptions, 'groups' | 'groupOf'> => ({
  groups: Math.ceil(columns / size),
  groupOf: Int32Array.from({ length: columns }, (_, position) => Math.floor(position / size)),
})

/** The largest difference as a share of the largest element. */
function farthest(a: Float32Array, b: Float32Array): number {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0) / largest
}

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s', async (_, create) => {
  const kernels = await create()

  /** Worked through in f64 by hand: 3 tokens, 4 columns, damping of 1 %, 4 bits symmetric by row. */
  test('a small matrix has the factor and the codes of an exact computation', async () => {
    const tokens = Float32Array.from([1, 0.5, -0.25, 0, 0, 1, 0.5, 0.25, 2, 1, 0, -1])
    const gram = await kernels.accumulateGram(new Float32Array(16), { data: tokens, rows: 3, columns: 4 })
    const scaled = gram.map((value) => (value * 2) / 3)
    const mean = [0, 5, 10, 15].reduce((sum, at) => sum + (scaled[at] ?? 0), 0) / 4
    const factor = await kernels.factorInverse(scaled, { order: null, damping: 0.01 * mean })
    const upper = factor.kind === 'factor' ? factor.upper : new Float32Array(0)
    const expected = [3.459799, -3.644074, 5.470811, 3.231078]
    for (const [column, value] of expected.entries()) expect(upper[column]).toBeCloseTo(value, 5)
    for (const [at, value] of [3.459799, 1.175014, 2.166251, 1.176301].entries()) expect(upper[5 * at]).toBeCloseTo(value, 5)
    const weight = { data: Float32Array.from([0.9, -0.35, 0.2, 0.55, -0.1, 0.45, -0.8, 0.3]), rows: 2, columns: 4 }
    const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
    const { codes } = await kernels.sweepColumns(weight, { upper, order: null, block: 128, ...inOrder(4, 4), grid })
    expect([...codes]).toEqual([15, 6, 8, 12, 7, 12, 1, 10])
  })

  test('a matrix that is not positive definite names the column, whatever the order', async () => {
    const gram = await gramOf(kernels, 70, 200)
    // Column 9 equals column 4, so one of them has nothing of its own.
    for (let i = 0; i < 70; i++) {
      const at = (a: number, b: number): number => Math.min(a, b) * 70 + Math.max(a, b)
      gram[at(9, i)] = gram[at(4, i)] ?? 0
    }
    gram[9 * 70 + 9] = gram[4 * 70 + 4] ?? 0
    gram[4 * 70 + 9] = (gram[4 * 70 + 4] ?? 0) * 1.0001
    const reversed = Int32Array.from({ length: 70 }, (_, position) => 69 - position)
    expect(await kernels.factorInverse(gram, { order: null, damping: 0 })).toEqual({ kind: 'not-positive-definite', column: 4 })
    expect(await kernels.factorInverse(gram, { order: reversed, damping: 0 })).toEqual({ kind: 'not-positive-definite', column: 9 })
    expect(await kernels.factorInverse(gram, { order: null, damping: 10 })).toMatchObject({ kind: 'factor' })
  })

  test.each([0, Number.NaN, Infinity])('a diagonal of %d without damping is not positive definite', async (value) => {
    const gram = await gramOf(kernels, 10, 50)
    gram[5 * 10 + 5] = value
    expect(await kernels.factorInverse(gram, { order: null, damping: 0 })).toEqual({ kind: 'not-positive-definite', column: 5 })
  })

  test('f32 stands where its factor holds, close to that of f64', async () => {
    const gram = await gramOf(kernels, 141, 300)
    const order = Int32Array.from({ length: 141 }, (_, position) => (position * 7) % 141)
    const options = { order, damping: 3 }
    const [exact, quick] = [await kernels.factorInverse(gram, options), await kernels.factorInverse(gram, { ...options, f32From: 141 })]
    if (exact.kind !== 'factor' || quick.kind !== 'factor') throw new TypeError('factors were expected')
    expect([exact.computedIn, exact.f32Residual, quick.computedIn]).toEqual(['f64', null, 'f32'])
    expect(quick.f32Residual).toBeGreaterThan(0)
    expect(quick.f32Residual).toBeLessThan(2e-6)
    expect(farthest(exact.upper, quick.upper)).toBeGreaterThan(0)
    expect(farthest(exact.upper, quick.upper)).toBeLessThan(1e-5)
    expect(quick.upper.some((value, at) => at % 141 < Math.floor(at / 141) && value !== 0)).toBe(false)
  })

  // Columns that are copies of each other: the condition is n / damping.
  test.each([
    ['leaves too much', 2e-4, false],
    ['finds none', 3e-8, true],
  ])('where f32 %s, the factor is that of f64 to the byte', async (_case, damping, isBroken) => {
    const gram = new Float32Array(141 * 141).fill(1)
    const exact = await kernels.factorInverse(gram, { order: null, damping })
    const tried = await kernels.factorInverse(gram, { order: null, damping, f32From: 0 })
    if (exact.kind !== 'factor' || tried.kind !== 'factor') throw new TypeError('factors were expected')
    expect(tried.computedIn).toBe('f64')
    expect(tried.upper).toEqual(exact.upper)
    expect(tried.f32Residual).toBeGreaterThan(largestF32Residual)
    expect(tried.f32Residual === Infinity).toBe(isBroken)
  })

  test('weights that are not finite are refused by name', async () => {
    const input = sampleMatrix('normal', 3, 24)
    input.data[24 + 7] = Number.NaN
    const factor = await kernels.factorInverse(await gramOf(kernels, 24, 60), { order: null, damping: 1 })
    const upper = factor.kind === 'factor' ? factor.upper : new Float32Array(0)
    const rule = { bits: 4, isSymmetric: true, clip: 'none' } as const
    const options: SweepOptions = { upper, order: null, block: 128, ...inOrder(24, 8), grid: { kind: 'fit', ...rule } }
    const fault = { code: 'weights-not-finite', details: { row: 1, column: 7 } }
    await expect(kernels.sweepColumns(input, options)).rejects.toMatchObject(fault)
    await expect(kernels.fitSteps(input, 8, rule)).rejects.toMatchObject(fault)
  })

  test('calls that break the contract are refused', async () => {
    const input = sampleMatrix('normal', 2, 16)
    const good: SweepOptions = {
      upper: new Float32Array(256).fill(1),
      order: null,
      block: 64,
      ...inOrder(16, 8),
      grid: { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' },
    }
    const lists = { scales: new Float32Array(4), offsets: new Float32Array(4) }
    const broken: readonly (readonly [Partial<SweepOptions>, string])[] = [
      [{ upper: new Float32Array(255) }, 'A factor holds 255 elements'],
      [{ order: Int32Array.from({ length: 16 }, () => 3) }, 'does not name every column once'],
      [{ order: new Int32Array(3) }, 'An order of columns holds 3'],
      [{ block: 12 }, 'A block of 12 positions.'],
      [{ block: 136 }, 'A block of 136 positions.'],
      [{ groups: 1 }, 'A position is in none of 1 groups.'],
      [{ groupOf: new Int32Array(4) }, 'A list of groups holds 4'],
      [{ grid: { kind: 'fit', bits: 9, isSymmetric: true, clip: 'none' } }, '2 to 8 bits, not 9'],
      [{ grid: { kind: 'uniform', largestCode: 15, zeroPoints: new Float32Array(3), ...lists } }, 'A list of zero points holds 3'],
      [{ grid: { kind: 'levels', levels: new Float32Array(0), tables: 'shared', ...lists } }, 'A table of 0 levels.'],
      [{ grid: { kind: 'levels', levels: new Float32Array(257), tables: 'shared', ...lists } }, 'A table of 257 levels.'],
      [{ grid: { kind: 'levels', levels: new Float32Array(30), tables: 'by group', ...lists } }, 'A table of 7.5 levels.'],
    ]
    for (const [change, message] of broken) await expect(kernels.sweepColumns(input, { ...good, ...change })).rejects.toThrow(message)
    await expect(kernels.factorInverse(new Float32Array(10), { order: null, damping: 0 })).rejects.toThrow('holds 10 elements')
    await expect(kernels.factorInverse(new Float32Array(9), { order: null, damping: -1 })).rejects.toThrow('Damping is -1.')
  })
})

test('a factor of several steps is that of the reference', async () => {
  const [reference, wasm] = [createReferenceKernels(), await createWasmKernels()]
  for (const columns of [150, 197]) {
    const gram = await gramOf(wasm, columns, 2 * columns)
    const order = Int32Array.from({ length: columns }, (_, position) => (position * 7) % columns)
    const options = { order, damping: 2 }
    const [expected, found] = [await reference.factorInverse(gram, options), await wasm.factorInverse(gram, options)]
    if (expected.kind !== 'factor' || found.kind !== 'factor') throw new TypeError('factors were expected')
    expect(farthest(expected.upper, found.upper)).toBeLessThan(1e-6)
    expect(found.upper.some((value, at) => at % columns < Math.floor(at / columns) && value !== 0)).toBe(false)
  }
})

test('f32 is tried for wide layers alone', async () => {
  const kernels = await createWasmKernels()
  for (const columns of [f32Columns - 1, f32Columns]) {
    const gram = Float32Array.from({ length: columns * columns }, (_, at) => (at % (columns + 1) === 0 ? 4 : 0))
    const factor = await kernels.factorInverse(gram, { order: null, damping: 0 })
    expect(factor).toMatchObject(columns < f32Columns ? { computedIn: 'f64', f32Residual: null } : { computedIn: 'f32', f32Residual: 0 })
  }
})

/** Inputs with much in common, as those of a layer have, so that errors are fed back far. */
test('a layer loses no more with a factor in f32', async () => {
  const kernels = await createWasmKernels()
  const [rows, columns, tokens] = [48, 640, 800]
  const inputs = sampleMatrix('normal', tokens, columns)
  for (let at = 0; at < inputs.data.length; at++) {
    if (at % columns > 0) inputs.data[at] = (inputs.data[at] ?? 0) + (inputs.data[at - (at % columns)] ?? 0)
  }
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), inputs)
  const mean = gram.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
  const weight = sampleMatrix('normal', rows, columns)
  const { groups, groupOf } = inOrder(columns, 128)
  const losses: number[] = []
  for (const f32From of [0, Infinity]) {
    const factor = await kernels.factorInverse(gram, { order: null, damping: 0.01 * mean, f32From })
    if (factor.kind !== 'factor') throw new TypeError('a factor was expected')
    expect(factor.computedIn).toBe(f32From === 0 ? 'f32' : 'f64')
    const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
    const { codes, fitted } = await kernels.sweepColumns(weight, { upper: factor.upper, order: null, block: 128, groups, groupOf, grid })
    const off = weight.data.map((value, at) => {
      const group = Math.floor(at / columns) * groups + Math.floor((at % columns) / 128)
      return value - (fitted.steps[group] ?? 0) * ((codes[at] ?? 0) - (fitted.zeroPoints[group] ?? 0))
    })
    losses.push(await kernels.traceThroughGram({ data: off, rows, columns }, gram))
  }
  const [quick = 0, exact = 0] = losses
  expect(Math.abs(quick / exact - 1)).toBeLessThan(1e-3)
})

describe('threads', async () => {
  const inline = await createWasmKernels()
  const pool = await createKernelPool({ threads: 3, spawn: () => startThreadDouble(loadWasmOperations).port })
  afterAll(() => pool.close())
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test.each([
    ['shared', 'f64'],
    ['shared', 'f32'],
    ['copied', 'f64'],
    ['copied', 'f32'],
  ])('do not change a byte of a factor of several steps whose panels are %s, in %s', async (memory, computedIn) => {
    const columns = 701
    const gram = await gramOf(inline, columns, 900)
    const options = { order: null, damping: 5, f32From: computedIn === 'f32' ? 0 : Infinity }
    const expected = await inline.factorInverse(gram, options)
    if (memory === 'copied') vi.stubGlobal('SharedArrayBuffer', undefined)
    const found = await pool.factorInverse(gram, options)
    expect(found).toMatchObject({ computedIn })
    if (expected.kind !== 'factor' || found.kind !== 'factor') throw new TypeError('factors were expected')
    expect(isShared(found.upper)).toBe(memory === 'shared')
    expect(Buffer.compare(Buffer.from(found.upper.buffer), Buffer.from(expected.upper.buffer))).toBe(0)
  })

  test('name the column whose pivot fails in a late step', async () => {
    const columns = 300
    const gram = await gramOf(inline, columns, 400)
    // Reversed, so that position 10 is among the last rows.
    gram[10 * columns + 10] = -1
    const expected = { kind: 'not-positive-definite', column: 10 }
    expect(await inline.factorInverse(gram, { order: null, damping: 0 })).toEqual(expected)
    expect(await pool.factorInverse(gram, { order: null, damping: 0 })).toEqual(expected)
  })

  test('do not change a byte', async () => {
    const columns = 264
    const gram = await gramOf(inline, columns, 300)
    const order = Int32Array.from({ length: columns }, (_, position) => (position * 7) % columns)
    const input = sampleMatrix('normal', 83, columns)
    const count = 83 * 9
    const lists = { scales: new Float32Array(count).fill(0.01), offsets: new Float32Array(count).fill(0.001) }
    const results = []
    for (const kernels of [inline, pool]) {
      const factor = await kernels.factorInverse(gram, { order, damping: 3 })
      const upper = factor.kind === 'factor' ? factor.upper : new Float32Array(0)
      const { groups, groupOf } = inOrder(columns, 32)
      const shared = { upper, order, block: 128, groups, groupOf }
      results.push([
        factor,
        await kernels.fitSteps(input, 32, { bits: 3, isSymmetric: false, clip: 'mse' }),
        await kernels.sweepColumns(input, { ...shared, grid: { kind: 'fit', bits: 3, isSymmetric: false, clip: 'none' } }),
        await kernels.sweepColumns(input, {
          ...shared,
          grid: { kind: 'uniform', largestCode: 15, zeroPoints: new Float32Array(count).fill(8), ...lists },
        }),
        await kernels.sweepColumns(input, {
          ...shared,
          grid: { kind: 'levels', levels: Float32Array.of(-3, -1, 0, 2, 5), tables: 'shared', ...lists },
        }),
        await kernels.sweepColumns(input, {
          ...shared,
          grid: { kind: 'levels', levels: new Float32Array(count * 4).map((_, i) => (i % 4) * 2 - 3), tables: 'by group', ...lists },
        }),
      ])
    }
    expect(results[1]).toEqual(results[0])
    expect(results[0]?.[0]).toMatchObject({ kind: 'factor' })
  })
})
