import { describe, expect, test } from 'vitest'
import { acceleratorDouble } from '../testing/accelerator-double.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import { AcceleratorFault } from './contract/accelerator.ts'
import type { Kernels } from './contract/kernels.ts'
import { createReferenceKernels } from './reference/index.ts'
import { routeKernels } from './route.ts'
import type { CheckResult } from './self-check.ts'

const columns = 24
const tokens = sampleMatrix('normal', 40, columns)
const empty = new Float32Array(columns * columns)
const work = (40 * columns ** 2) / 2
const good = { support: true, leastWork: 0 } as const
const all = new Map([
  ['accumulateGram', good],
  ['traceThroughGram', good],
])

const supportOf = (kernels: Kernels, name: string) => kernels.placement?.support.find(({ operation }) => operation === name)?.support

describe('an operation that passed the check', () => {
  test('runs on the card, and the backend names it since the record began', async () => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
    expect(kernels.backend).toBe('reference')
    const gram = await kernels.accumulateGram(empty, tokens)
    expect(gram).toEqual(await createReferenceKernels().accumulateGram(empty, tokens))
    expect(kernels.backend).toBe('reference + webgpu (test) (accumulateGram)')
    await kernels.traceThroughGram(tokens, gram)
    expect(kernels.backend).toBe('reference + webgpu (test) (accumulateGram, traceThroughGram)')
    kernels.placement?.startRecord()
    expect(kernels.backend).toBe('reference')
    expect(double.calls).toEqual(['accumulateGram', 'traceThroughGram'])
  })

  test.each([
    [work, 1],
    [work + 1, 0],
  ])('runs there from its least work of %d on (%d calls)', async (leastWork, calls) => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, new Map([['accumulateGram', { support: true, leastWork }]]))
    await kernels.accumulateGram(empty, tokens)
    expect(double.calls).toHaveLength(calls)
  })
})

test('kernels that make results in other memory run on the same card, which stays known', async () => {
  const double = acceleratorDouble()
  const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
  const rooms: Uint8Array[] = []
  const others = kernels.into({
    take(bytes) {
      rooms.push(new Uint8Array(bytes))
      return rooms.at(-1) ?? new Uint8Array()
    },
  })
  await others.accumulateGram(empty, tokens)
  expect(kernels.backend).toBe('reference + webgpu (test) (accumulateGram)')
  // Not checked for the card, so it runs on the kernels.
  expect(await others.quantizeGgml(sampleMatrix('normal', 1, 32), 'Q4_0')).toBe(rooms[0])
})

test('an operation of which the card takes only some calls says so while it takes any', () => {
  const checked = new Map([['quantizeGgml', good]])
  const rows = (kernels: Kernels) => kernels.placement?.support.filter(({ operation }) => operation === 'quantizeGgml')
  const routed = (checked: ReadonlyMap<string, CheckResult>) =>
    routeKernels(createReferenceKernels(), acceleratorDouble().accelerator, checked)
  expect(rows(routed(checked))).toEqual([{ operation: 'quantizeGgml', support: true, note: 'Some types only.' }])
  const refused = new Map([['quantizeGgml', { support: 'No.', leastWork: 0 }]])
  expect(rows(routed(refused))).toEqual([{ operation: 'quantizeGgml', support: 'No.' }])
})

test('an operation that failed the check never runs there', async () => {
  const double = acceleratorDouble()
  const checked = new Map([['accumulateGram', { support: 'It computes wrongly.', leastWork: 0 }]])
  const kernels = routeKernels(createReferenceKernels(), double.accelerator, checked)
  await kernels.accumulateGram(empty, tokens)
  expect(double.calls).toEqual([])
  expect(supportOf(kernels, 'accumulateGram')).toBe('It computes wrongly.')
})

test('an operation that nobody checked never runs there', async () => {
  const double = acceleratorDouble()
  const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
  await kernels.quantizeGgml(sampleMatrix('normal', 1, 256), 'Q4_K')
  expect(double.calls).toEqual([])
  expect(supportOf(kernels, 'quantizeGgml')).toBe('It was not checked against WASM.')
})

test('an operation that the accelerator has never heard of runs on the processor, with a reason', async () => {
  const double = acceleratorDouble()
  const later = { ...createReferenceKernels(), sweep: async () => 7 }
  const kernels = routeKernels(later, double.accelerator, all) as typeof later
  expect(await kernels.sweep()).toBe(7)
  expect(supportOf(kernels, 'sweep')).toBe('no sweep here')
  expect(kernels.placement?.support.map(({ operation }) => operation)).not.toContain('backend')
})

describe('a call that fails on the card', () => {
  test.each([
    ['a fault that lasts', new AcceleratorFault('bad shader', { isLasting: true })],
    ['an error nobody foresaw', new TypeError('bad shader')],
  ])('by %s is done by the processor, and the operation is given up', async (_, error) => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
    double.failWith(error)
    const gram = await kernels.accumulateGram(empty, tokens)
    expect(gram).toEqual(await createReferenceKernels().accumulateGram(empty, tokens))
    double.failWith(null)
    await kernels.accumulateGram(empty, tokens)
    expect(double.calls).toEqual(['accumulateGram'])
    expect(supportOf(kernels, 'accumulateGram')).toBe('The graphics card failed at it: bad shader')
    expect(supportOf(kernels, 'traceThroughGram')).toBe(true)
    expect(kernels.backend).toBe('reference')
  })

  test('for this call alone leaves the operation where it was', async () => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
    double.failWith(new AcceleratorFault('out of memory', { isLasting: false }))
    await kernels.accumulateGram(empty, tokens)
    double.failWith(null)
    await kernels.accumulateGram(empty, tokens)
    expect(double.calls).toHaveLength(2)
    expect(supportOf(kernels, 'accumulateGram')).toBe(true)
  })

  test('by an abort stays aborted', async () => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
    await expect(kernels.accumulateGram(empty, tokens, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
  })

  test('by a broken contract is not repeated elsewhere', async () => {
    const double = acceleratorDouble()
    const kernels = routeKernels(createReferenceKernels(), double.accelerator, all)
    await expect(kernels.accumulateGram(new Float32Array(3), tokens)).rejects.toMatchObject({ code: 'internal' })
  })
})

test('a device lost in the middle of a call costs nothing but the card', async () => {
  let goOn: () => void = () => undefined
  const isUnderWay = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const reference = createReferenceKernels()
  const double = acceleratorDouble({
    change: { accumulateGram: (gram, input) => isUnderWay.then(() => reference.accumulateGram(gram, input)) },
  })
  const kernels = routeKernels(reference, double.accelerator, all)
  const result = kernels.accumulateGram(empty, tokens)
  double.lose('driver reset')
  goOn()
  expect(await result).toEqual(await reference.accumulateGram(empty, tokens))
  expect(supportOf(kernels, 'traceThroughGram')).toBe('The graphics card was lost: driver reset')
  await kernels.traceThroughGram(tokens, await result)
  expect(double.calls).toEqual(['accumulateGram'])
  expect(kernels.backend).toBe('reference')
})

test('closing closes both', async () => {
  const double = acceleratorDouble()
  let isClosed = false
  const base: Kernels = {
    ...createReferenceKernels(),
    close: async () => {
      isClosed = true
    },
  }
  await routeKernels(base, double.accelerator, all).close()
  expect([double.isClosed(), isClosed]).toEqual([true, true])
})
