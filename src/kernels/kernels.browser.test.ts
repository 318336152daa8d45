import { afterAll, describe, expect, test } from 'vitest'
import { equalBytes } from '../core/equal-bytes.ts'
import { canShareMemory, isShared, sharedBytes, sharedFloats } from '../core/shared-memory.ts'
import { accelerateKernels } from './accelerate.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import { judge, judgeCard } from './conformance/judge.ts'
import { columnOf, type SupportColumn, supportTable } from './conformance/support-table.ts'
import type { Kernels } from './contract/kernels.ts'
import { createKernelPool } from './pool.ts'
import { webWorkerPort } from './port.ts'
import { createReferenceKernels } from './reference/index.ts'
import { operationsOf } from './route.ts'
import { createWasmKernels } from './wasm/index.ts'
import { openWebGpuKernels } from './webgpu/index.ts'

const workers: Worker[] = []
const pools: Kernels[] = []
const columns: SupportColumn[] = []

async function workerPool(threads: number): Promise<Kernels> {
  const pool = await createKernelPool({
    threads,
    spawn() {
      const worker = new Worker(new URL('../../workers/kernel.ts', import.meta.url), { type: 'module' })
      workers.push(worker)
      return webWorkerPort(worker)
    },
  })
  pools.push(pool)
  return pool
}

afterAll(async () => {
  for (const pool of pools) await pool.close()
})

describe('Web Workers', () => {
  test('two of them do what the reference does', async () => {
    const pool = await workerPool(2)
    expect(pool.backend).toBe('wasm x2')
    const verdicts = await judge(createReferenceKernels(), pool)
    columns.push(columnOf(pool.backend, verdicts))
    expect(verdicts.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
    expect(verdicts.map(({ operation }) => operation).sort()).toEqual(operationsOf(pool).sort())
  }, 120_000)

  test('two of them look at shared memory where it lies', async () => {
    // The test's page is isolated, as the studio's is.
    expect(canShareMemory()).toBe(true)
    const [pool, inline] = [await workerPool(2), await createWasmKernels()]
    const given = sampleMatrix('normal', 700, 1024)
    const data = sharedFloats(given.data.length)
    data.set(given.data)
    expect(await pool.quantizeGgml({ ...given, data }, 'Q4_0')).toEqual(await inline.quantizeGgml(given, 'Q4_0'))
    const written = await pool.into({ take: sharedBytes }).quantizeGgml({ ...given, data }, 'Q4_0')
    expect(isShared(written)).toBe(true)
    expect(equalBytes(written, await inline.quantizeGgml(given, 'Q4_0'))).toBe(true)
    const tokens = sampleMatrix('normal', 900, 701)
    const gram = await pool.accumulateGram(new Float32Array(701 * 701), tokens)
    const [found, expected] = [
      await pool.factorInverse(gram, { order: null, damping: 5 }),
      await inline.factorInverse(gram, { order: null, damping: 5 }),
    ]
    if (found.kind !== 'factor' || expected.kind !== 'factor') throw new TypeError('factors were expected')
    expect(isShared(found.upper)).toBe(true)
    expect(equalBytes(new Uint8Array(found.upper.buffer), new Uint8Array(expected.upper.buffer))).toBe(true)
  }, 60_000)

  test('a worker that is killed without a word is noticed and replaced', async () => {
    const started = workers.length
    const pool = await workerPool(1)
    const input = sampleMatrix('normal', 64, 1024)
    const before = await pool.quantizeGgml(input, 'Q4_0')
    // From outside: the page's own handle, not the pool's; no event follows.
    workers[started]?.terminate()
    const after = await pool.quantizeGgml(input, 'Q4_0')
    expect(after).toEqual(before)
    expect(workers).toHaveLength(started + 2)
  })

  test('a worker that cannot start makes the pool fail to start', async () => {
    const spawn = () => webWorkerPort(new Worker('data:text/javascript,throw new Error("broken script")', { type: 'module' }))
    await expect(createKernelPool({ threads: 1, spawn })).rejects.toMatchObject({ code: 'worker-lost' })
  })
})

declare module 'vitest' {
  interface TaskMeta {
    /** For `npm run support`, which prints it. */
    supportTable?: string
  }
}

test('WebGPU does what the reference does, for every operation it has', async ({ task }) => {
  const reference = createReferenceKernels()
  const kernels = await accelerateKernels(reference, { choice: 'always', open: openWebGpuKernels, now: () => performance.now() })
  const verdicts = await judgeCard(reference, kernels)
  task.meta.supportTable = supportTable([...columns, { backend: 'webgpu', verdicts }])
  const judged = verdicts.flatMap(({ verdict }) => (typeof verdict === 'string' ? [] : [verdict]))
  expect(judged.flatMap(({ operation, failures }) => failures.map((failure) => `${operation}: ${failure}`))).toEqual([])
  expect(judged.map(({ operation }) => operation)).toEqual(['quantizeGgml', 'accumulateGram', 'traceThroughGram', 'sweepColumns'])
  // Two types, without and with importance; kinds of data out of range and searches for ranges are left to others.
  expect(judged.map(({ cases }) => cases)).toEqual([132, 30, 30, 266])
  await kernels.close()
}, 240_000)
