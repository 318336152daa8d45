import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { isShared } from '../core/shared-memory.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import { startThreadDouble } from './conformance/thread-double.ts'
import type { SweepOptions } from './contract/feedback.ts'
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
    const largest = expected.upper.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const off = expected.upper.reduce((most, value, at) => Math.max(most, Math.abs(value - (found.upper[at] ?? 0))), 0)
    expect(off / largest).toBeLessThan(1e-6)
    expect(found.upper.some((value, at) => at % columns < Math.floor(at / columns) && value !== 0)).toBe(false)
  }
})

describe('threads', async () => {
  const inline = await createWasmKernels()
  const pool = await createKernelPool({ threads: 3, spawn: () => startThreadDouble(loadWasmOperations).port })
  afterAll(() => pool.close())
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test.each(['shared', 'copied'])('do not change a byte of a factor of several steps whose panels are %s', async (memory) => {
    const columns = 701
    const gram = await gramOf(inline, columns, 900)
    const expected = await inline.factorInverse(gram, { order: null, damping: 5 })
    if (memory === 'copied') vi.stubGlobal('SharedArrayBuffer', undefined)
    const found = await pool.factorInverse(gram, { order: null, damping: 5 })
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
