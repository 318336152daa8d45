import { afterEach, describe, expect, test, vi } from 'vitest'
import { accelerateKernels } from './accelerate.ts'
import { sampleImportance, sampleMatrix } from './conformance/inputs.ts'
import type { Accelerator } from './contract/accelerator.ts'
import type { SweepOptions, SweepResult } from './contract/feedback.ts'
import type { Kernels } from './contract/kernels.ts'
import { createReferenceKernels } from './reference/index.ts'
import { bytes, firstDifference } from './tolerance.ts'
import { openWebGpuKernels, webGpuShaders } from './webgpu/index.ts'

// Under a software adapter every call takes its time.
vi.setConfig({ testTimeout: 60_000 })

const opened: { close(): void }[] = []
afterEach(() => {
  for (const one of opened.splice(0)) one.close()
})

async function openCard(shaders = webGpuShaders): Promise<Accelerator> {
  const accelerator = await openWebGpuKernels({ shaders })
  if (typeof accelerator === 'string') throw new Error(accelerator)
  opened.push(accelerator)
  return accelerator
}

const reference = createReferenceKernels()
/** With one operation only: compiling a shader for a software adapter takes seconds. */
const checkedFor = (operation: string, accelerator: Accelerator): Promise<Kernels> => {
  const supports = (name: string): true | string => (name === operation ? true : 'not in this test')
  return accelerateKernels(reference, { choice: 'always', open: async () => ({ ...accelerator, supports }), now: () => performance.now() })
}
const supportOf = (kernels: Kernels, name: string) => kernels.placement?.support.find(({ operation }) => operation === name)?.support

const tokens = sampleMatrix('normal', 70, 40)
const empty = new Float32Array(40 * 40)

test('a matrix larger than a buffer goes in bands and chunks', async () => {
  const wide = sampleMatrix('normal', 1030, 140)
  const before = sampleMatrix('heavy tails', 140, 140).data
  const expected = await reference.accumulateGram(before, wide)
  const accelerator = await openWebGpuKernels({ bufferBytes: 512 * 140 * 4 })
  if (typeof accelerator === 'string') throw new Error(accelerator)
  opened.push(accelerator)
  expect(await accelerator.operations.accumulateGram(before, wide)).toEqual(expected)
  const trace = await reference.traceThroughGram(wide, expected)
  expect(Math.abs((await accelerator.operations.traceThroughGram(wide, expected)) / trace - 1)).toBeLessThan(1e-5)
})

test('a matrix of several pieces comes to the card and back whole', async () => {
  const wide = sampleMatrix('normal', 3, 1801)
  const before = Float32Array.from({ length: 1801 ** 2 }, (_, at) => at % 1013)
  const { operations } = await openCard()
  expect(firstDifference([await reference.accumulateGram(before, wide)], [await operations.accumulateGram(before, wide)], bytes)).toBe(null)
})

describe('a sweep', () => {
  const columns = 150
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 32))
  const fit = { kind: 'fit', bits: 4, isSymmetric: false, clip: 'none' } as const
  const upper = Float32Array.from({ length: columns ** 2 }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns]
    return column < row ? 0 : column === row ? 1.25 : 0.01 * Math.sin(at)
  })
  const options: SweepOptions = { upper, order: null, block: 64, groups: 5, groupOf, grid: fit }
  const values = ({ codes, fitted, losses }: SweepResult) => [codes, fitted.steps, fitted.zeroPoints, losses]
  const left = { name: 'AcceleratorFault', isLasting: false }

  test('of more rows and a larger factor than a buffer holds goes in parts', async () => {
    const accelerator = await openWebGpuKernels({ bufferBytes: 70 * columns * 4 })
    if (typeof accelerator === 'string') throw new Error(accelerator)
    opened.push(accelerator)
    const weights = sampleMatrix('heavy tails', 163, columns)
    const there = await accelerator.operations.sweepColumns(weights, options)
    expect(firstDifference(values(await reference.sweepColumns(weights, options)), values(there), bytes)).toBe(null)
  })

  test('that the buffers, the shaders or f32 on a card cannot follow is left to others, and only that call', async () => {
    const accelerator = await openWebGpuKernels({ bufferBytes: 4096 })
    if (typeof accelerator === 'string') throw new Error(accelerator)
    opened.push(accelerator)
    const weights = sampleMatrix('normal', 3, columns)
    await expect(accelerator.operations.sweepColumns(weights, options)).rejects.toMatchObject(left)
    const { operations } = await openCard()
    await expect(operations.sweepColumns(weights, { ...options, grid: { ...fit, clip: 'mse' } })).rejects.toMatchObject(left)
    const changed = (change: (data: Float32Array) => void) => {
      const data = weights.data.slice()
      change(data)
      return { ...weights, data }
    }
    const first = changed((data) => data.fill(1e-35, 0, 1))
    const afterTheBlock = changed((data) => data.fill(NaN, 140, 141))
    for (const weight of [first, afterTheBlock]) await expect(operations.sweepColumns(weight, options)).rejects.toMatchObject(left)
    for (const at of [1, 140, 149 * columns + 149]) {
      const tiny = upper.slice()
      tiny[at] = 1e-20
      await expect(operations.sweepColumns(weights, { ...options, upper: tiny })).rejects.toMatchObject(left)
    }
    await expect(operations.sweepColumns(weights, { ...options, groups: 1 })).rejects.toMatchObject({ code: 'internal' })
    expect((await operations.sweepColumns({ ...weights, rows: 0, data: new Float32Array(0) }, options)).codes).toHaveLength(0)
  })
})

test('a row too wide for any buffer is left to others, and only this call', async () => {
  const accelerator = await openWebGpuKernels({ bufferBytes: 4096 })
  if (typeof accelerator === 'string') throw new Error(accelerator)
  opened.push(accelerator)
  await expect(accelerator.operations.accumulateGram(empty, tokens)).rejects.toMatchObject({ name: 'AcceleratorFault', isLasting: false })
})

describe('the check switches off', () => {
  test('a shader that computes wrongly', async () => {
    const { gram, ...others } = webGpuShaders
    const wrong = { code: gram?.code.replace('a.z * b', 'a.y * b') ?? '', constants: gram?.constants ?? {} }
    const kernels = await checkedFor('accumulateGram', await openCard({ ...others, gram: wrong }))
    expect(supportOf(kernels, 'accumulateGram')).toMatch(/^The graphics card computes it wrongly/)
    expect(await kernels.accumulateGram(empty, tokens)).toEqual(await reference.accumulateGram(empty, tokens))
    expect(kernels.backend).toBe('reference')
  })

  test('a shader that does not compile', async () => {
    const kernels = await checkedFor('traceThroughGram', await openCard({ ...webGpuShaders, trace: { code: 'no shader' } }))
    expect(supportOf(kernels, 'traceThroughGram')).toMatch(/^The graphics card failed at it/)
  })
})

test('a device that is destroyed in the middle of a call costs nothing but the card', async () => {
  const accelerator = await openCard()
  const kernels = await checkedFor('accumulateGram', accelerator)
  expect(supportOf(kernels, 'accumulateGram')).toBe(true)
  const underWay = kernels.accumulateGram(empty, tokens)
  accelerator.close()
  expect(await underWay).toEqual(await reference.accumulateGram(empty, tokens))
  await accelerator.lost
  expect(supportOf(kernels, 'accumulateGram')).toMatch(/^The graphics card was lost/)
  expect(await kernels.traceThroughGram(tokens, empty)).toBe(0)
})

test('an abort between bands stays an abort', async () => {
  const accelerator = await openCard()
  await expect(accelerator.operations.accumulateGram(empty, tokens, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
  await expect(accelerator.operations.accumulateGram(new Float32Array(3), tokens)).rejects.toMatchObject({ code: 'internal' })
})

test('a division and a square root that are some units off change no byte', async () => {
  const { 'q4-k': search, ...others } = webGpuShaders
  const code = search?.code.replace('f32(m) / f32(n)', 'f32(m) / f32(n) * 1.0000004').replace('u32(sqrt(', 'u32(0.9999996 * sqrt(')
  const { operations } = await openCard({ ...others, 'q4-k': { code: code ?? '' } })
  const weights = sampleMatrix('heavy tails', 6, 512)
  const importance = sampleImportance(512)
  expect(await operations.quantizeGgml(weights, 'Q4_K')).toEqual(await reference.quantizeGgml(weights, 'Q4_K'))
  expect(await operations.quantizeGgml(weights, 'Q5_K', { importance })).toEqual(
    await reference.quantizeGgml(weights, 'Q5_K', { importance }),
  )
})

test('weights out of range and other types are left to others, and only that call', async () => {
  const { operations } = await openCard()
  const fault = { name: 'AcceleratorFault', isLasting: false }
  await expect(operations.quantizeGgml(sampleMatrix('tiny', 2, 256), 'Q4_K')).rejects.toMatchObject(fault)
  const broken = sampleMatrix('normal', 2, 256)
  broken.data[300] = NaN
  await expect(operations.quantizeGgml(broken, 'Q4_K')).rejects.toMatchObject(fault)
  await expect(operations.quantizeGgml(sampleMatrix('normal', 2, 256), 'Q8_0')).rejects.toMatchObject(fault)
  await expect(operations.quantizeGgml(sampleMatrix('normal', 2, 100), 'Q4_K')).rejects.toMatchObject({ code: 'internal' })
})
