import { afterEach, describe, expect, test, vi } from 'vitest'
import { accelerateKernels } from '../accelerate.ts'
import { sampleMatrix } from '../conformance/inputs.ts'
import type { Accelerator } from '../contract/accelerator.ts'
import type { Kernels } from '../contract/kernels.ts'
import { createReferenceKernels } from '../reference/index.ts'
import { openWebGpuKernels, webGpuShaders } from './index.ts'

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
const accelerated = (accelerator: Accelerator): Promise<Kernels> =>
  accelerateKernels(reference, { choice: 'always', open: async () => accelerator, now: () => performance.now() })
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
    const kernels = await accelerated(await openCard({ ...others, gram: wrong }))
    expect(supportOf(kernels, 'accumulateGram')).toMatch(/^The graphics card computes it wrongly/)
    expect(supportOf(kernels, 'traceThroughGram')).toBe(true)
    expect(await kernels.accumulateGram(empty, tokens)).toEqual(await reference.accumulateGram(empty, tokens))
    expect(kernels.backend).toBe('reference')
  })

  test('a shader that does not compile', async () => {
    const kernels = await accelerated(await openCard({ ...webGpuShaders, trace: { code: 'no shader' } }))
    expect(supportOf(kernels, 'traceThroughGram')).toMatch(/^The graphics card failed at it/)
    expect(supportOf(kernels, 'accumulateGram')).toBe(true)
  })
})

test('a device that is destroyed in the middle of a call costs nothing but the card', async () => {
  const accelerator = await openCard()
  const kernels = await accelerated(accelerator)
  const under = kernels.accumulateGram(empty, tokens)
  accelerator.close()
  expect(await under).toEqual(await reference.accumulateGram(empty, tokens))
  await accelerator.lost
  expect(supportOf(kernels, 'traceThroughGram')).toMatch(/^The graphics card was lost/)
  expect(await kernels.traceThroughGram(tokens, empty)).toBe(0)
})

test('an abort between bands stays an abort', async () => {
  const accelerator = await openCard()
  await expect(accelerator.operations.accumulateGram(empty, tokens, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
  await expect(accelerator.operations.accumulateGram(new Float32Array(3), tokens)).rejects.toMatchObject({ code: 'internal' })
})
