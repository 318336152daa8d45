import { afterAll, describe, expect, test } from 'vitest'
import { sampleMatrix } from './conformance/inputs.ts'
import { startThreadDouble } from './conformance/thread-double.ts'
import type { DescentOptions } from './contract/descent.ts'
import type { Kernels, Matrix } from './contract/kernels.ts'
import { createKernelPool } from './pool.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels, loadWasmOperations } from './wasm/index.ts'

const scale = 0.01

/** Rounding to 7 levels around 0, from nearest codes. */
async function sample(
  kernels: Kernels,
  rows: number,
  columns: number,
): Promise<{ readonly input: Matrix; readonly options: DescentOptions }> {
  const input = sampleMatrix('normal', rows, columns)
  const inputs = sampleMatrix('normal', 2 * columns, columns)
  // Each input column follows the one before it.
  for (let i = 1; i < inputs.data.length; i++) inputs.data[i] = (inputs.data[i] ?? 0) + 0.7 * (inputs.data[i - 1] ?? 0)
  const groups = Math.ceil(columns / 32)
  const count = rows * groups
  return {
    input,
    options: {
      gram: await kernels.accumulateGram(new Float32Array(columns * columns), inputs),
      start: Uint8Array.from(input.data, (w) => Math.min(6, Math.max(0, Math.floor(w / scale + 3.5)))),
      rounds: 1,
      groups,
      groupOf: Int32Array.from({ length: columns }, (_, column) => Math.floor(column / 32)),
      grid: {
        kind: 'levels',
        levels: Float32Array.of(-3, -2, -1, 0, 1, 2, 3),
        tables: 'shared',
        scales: new Float32Array(count).fill(scale),
        offsets: new Float32Array(count),
      },
    },
  }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s', async (_, create) => {
  const kernels = await create()

  test('losses are those of the codes, and fall with every round', async () => {
    const { input, options } = await sample(kernels, 6, 100)
    const errorOf = (codes: Uint8Array): Promise<number> =>
      kernels.traceThroughGram({ ...input, data: input.data.map((w, i) => w - scale * ((codes[i] ?? 0) - 3)) }, options.gram)
    const nearest = await errorOf(options.start)
    let last = nearest
    for (const rounds of [0, 1, 4]) {
      const { codes, before, after } = await kernels.descendCodes(input, { ...options, rounds })
      expect(sumOf(before) / nearest).toBeCloseTo(1, 4)
      expect(sumOf(after) / (await errorOf(codes))).toBeCloseTo(1, 4)
      expect(sumOf(after)).toBeLessThan(last)
      last = sumOf(after)
    }
    expect(last).toBeLessThan(0.8 * nearest)
  })

  test('a G that is not finite, or 0, leaves the codes as they are', async () => {
    const { input, options } = await sample(kernels, 2, 40)
    for (const value of [Number.NaN, Infinity, 0]) {
      const { codes } = await kernels.descendCodes(input, { ...options, gram: options.gram.map(() => value) })
      expect(codes).toEqual(options.start)
    }
  })

  test('weights that are not finite are refused by name', async () => {
    const { input, options } = await sample(kernels, 2, 24)
    input.data[24 + 7] = Infinity
    await expect(kernels.descendCodes(input, options)).rejects.toMatchObject({ code: 'weights-not-finite', details: { row: 1, column: 7 } })
  })

  test('calls that break the contract are refused', async () => {
    const { input, options } = await sample(kernels, 2, 16)
    const { grid } = options
    const broken: readonly (readonly [Partial<DescentOptions>, string])[] = [
      [{ gram: new Float32Array(255) }, 'A Gram matrix holds 255'],
      [{ start: new Uint8Array(3) }, 'A list of codes holds 3'],
      [{ start: new Uint8Array(32).fill(7) }, 'A code beyond a table of 7 levels.'],
      [{ rounds: -1 }, 'Rounds are -1.'],
      [{ rounds: 0.5 }, 'Rounds are 0.5.'],
      [{ groupOf: new Int32Array(4) }, 'A list of groups holds 4'],
      [{ groupOf: new Int32Array(16).fill(1) }, 'A column is in none of 1 groups.'],
      [{ grid: { ...grid, scales: new Float32Array(3) } }, 'A list of scales holds 3'],
      [{ grid: { ...grid, offsets: new Float32Array(3) } }, 'A list of offsets holds 3'],
      [{ grid: { ...grid, levels: new Float32Array(0) } }, 'A table of 0 levels.'],
    ]
    for (const [change, message] of broken) await expect(kernels.descendCodes(input, { ...options, ...change })).rejects.toThrow(message)
    await expect(kernels.descendCodes({ ...input, rows: 3 }, options)).rejects.toThrow('A matrix holds 32')
  })
})

describe('threads', async () => {
  const inline = await createWasmKernels()
  const pool = await createKernelPool({ threads: 3, spawn: () => startThreadDouble(loadWasmOperations).port })
  afterAll(() => pool.close())

  test('do not change a byte', async () => {
    const { input, options } = await sample(inline, 43, 72)
    const levels = new Float32Array(43 * options.groups * 7).map((_, i) => (i % 7) - 3)
    for (const grid of [options.grid, { ...options.grid, levels, tables: 'by group' as const }]) {
      expect(await pool.descendCodes(input, { ...options, grid })).toEqual(await inline.descendCodes(input, { ...options, grid }))
    }
  })
})
