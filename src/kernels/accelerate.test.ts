import { describe, expect, test, vi } from 'vitest'
import { type AcceleratorDouble, acceleratorDouble } from '../testing/accelerator-double.ts'
import { accelerateKernels } from './accelerate.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import type { Kernels } from './contract/kernels.ts'
import { createReferenceKernels } from './reference/index.ts'
import { checkAccelerator } from './self-check.ts'
import { createWasmKernels } from './wasm/index.ts'

// The timed checks multiply matrices of real size.
vi.setConfig({ testTimeout: 60_000 })

const supports = (kernels: Kernels) => new Map(kernels.placement?.support.map(({ operation, support }) => [operation, support]))
/** A clock on which every call of the card takes `card` ms, and of the processor 10. */
function clockFor(double: AcceleratorDouble, card: number): () => number {
  let seen = 0
  let time = 0
  return () => {
    time += double.calls.length > seen ? card : 10
    seen = double.calls.length
    return time
  }
}
const accelerate = async (double: AcceleratorDouble, choice: 'automatic' | 'always' | 'never', card = 1) =>
  accelerateKernels(await createWasmKernels(), { choice, open: async () => double.accelerator, now: clockFor(double, card) })

describe('automatic', () => {
  test('takes hardware that computes rightly and faster', async () => {
    const kernels = await accelerate(acceleratorDouble({ change: await createWasmKernels() }), 'automatic')
    expect(supports(kernels).get('accumulateGram')).toBe(true)
    expect(supports(kernels).get('traceThroughGram')).toBe(true)
    expect(supports(kernels).get('quantizeAffine')).toBe('no quantizeAffine here')
  })

  test('refuses what is slower, with both times, and small calls of what is faster', async () => {
    const change = await createWasmKernels()
    const slow = await accelerate(acceleratorDouble({ change }), 'automatic', 50)
    expect(supports(slow).get('accumulateGram')).toBe('Measured here, it takes 50.0 ms there and 10.0 ms with WASM.')
    const double = acceleratorDouble({ change })
    const fast = await accelerate(double, 'automatic')
    const before = double.calls.length
    await fast.accumulateGram(new Float32Array(64 * 64), sampleMatrix('normal', 64, 64))
    expect(double.calls).toHaveLength(before)
  })

  test('never takes a software adapter, and gives it back', async () => {
    const double = acceleratorDouble({ isSoftware: true })
    const kernels = await accelerate(double, 'automatic')
    expect(double.calls).toEqual([])
    expect(double.isClosed()).toBe(true)
    expect(new Set(supports(kernels).values())).toEqual(new Set(['WebGPU runs on the processor here, where WASM is faster.']))
  })

  test('says why there is no card', async () => {
    const kernels = await accelerateKernels(createReferenceKernels(), { choice: 'automatic', open: async () => 'No card.', now: () => 0 })
    expect(supports(kernels).get('accumulateGram')).toBe('No card.')
    expect(kernels.backend).toBe('reference')
  })
})

test('always takes a software adapter and small calls, untimed', async () => {
  const double = acceleratorDouble({ isSoftware: true })
  const kernels = await accelerate(double, 'always')
  await kernels.accumulateGram(new Float32Array(64), sampleMatrix('normal', 4, 8))
  expect(kernels.backend).toBe('wasm + webgpu (test) (accumulateGram)')
})

test('never opens nothing', async () => {
  const open = () => Promise.reject(new Error('was opened'))
  const kernels = await accelerateKernels(createReferenceKernels(), { choice: 'never', open, now: () => 0 })
  expect(supports(kernels).get('traceThroughGram')).toBe('Switched off in the settings.')
})

describe('the check', () => {
  const options = { isTimed: false, now: () => 0, timeoutMs: 60_000 }
  const reference = createReferenceKernels()

  test('switches off a kernel that is off by one bit', async () => {
    const { accelerator } = acceleratorDouble({
      change: {
        async accumulateGram(gram, input) {
          const result = await reference.accumulateGram(gram, input)
          result[69] = (result[69] ?? 0) * (1 + 2 ** -23)
          return result
        },
      },
    })
    const results = await checkAccelerator(accelerator, reference, options)
    expect(results.get('accumulateGram')?.support).toMatch(/^The graphics card computes it wrongly \(array 0, value 69: /)
    expect(results.get('traceThroughGram')?.support).toBe(true)
  })

  test('switches off a sweep with one wrong code', async () => {
    const { accelerator } = acceleratorDouble({
      change: {
        async sweepColumns(input, options) {
          const result = await reference.sweepColumns(input, options)
          if (options.grid.kind === 'levels') result.codes[149] = 5 - (result.codes[149] ?? 0)
          return result
        },
      },
    })
    const results = await checkAccelerator(accelerator, reference, options)
    expect(results.get('sweepColumns')?.support).toMatch(/^The graphics card computes it wrongly \(array 8, value 149: /)
  })

  test('lets a sum be off by its tolerance and no more', async () => {
    const off = (by: number) =>
      acceleratorDouble({ change: { traceThroughGram: async (delta, gram) => (await reference.traceThroughGram(delta, gram)) * (1 + by) } })
    const supportFor = async (by: number) =>
      (await checkAccelerator(off(by).accelerator, reference, options)).get('traceThroughGram')?.support
    expect(await supportFor(9e-6)).toBe(true)
    expect(await supportFor(2e-5)).toMatch(/wrongly/)
  })

  test('switches off a kernel that fails', async () => {
    const { accelerator } = acceleratorDouble({ change: { accumulateGram: () => Promise.reject(new Error('no pipeline')) } })
    const results = await checkAccelerator(accelerator, reference, options)
    expect(results.get('accumulateGram')?.support).toBe('The graphics card failed at it: no pipeline')
  })

  test('waits for no kernel longer than its time', async () => {
    const { accelerator } = acceleratorDouble({ change: { accumulateGram: () => new Promise(() => undefined) } })
    const results = await checkAccelerator(accelerator, reference, { ...options, timeoutMs: 20 })
    expect(results.get('accumulateGram')?.support).toBe('The graphics card did not answer within 0.02 s.')
  })
})
