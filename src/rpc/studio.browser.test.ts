import { afterAll, describe, expect, it } from 'vitest'
import { StudioError } from '../core/errors.ts'
import type { RunEvent } from '../pipeline/events.ts'
import type { RunRequest } from '../pipeline/plan.ts'
import { measured } from '../testing/measured.ts'
import { connectStudio } from './client.ts'

// The real thing: page, pipeline worker, kernel workers, ONNX Runtime, OPFS, the bundled sample.
const workers: Worker[] = []
const studio = connectStudio(() => {
  const worker = new Worker(new URL('../../workers/pipeline.ts', import.meta.url), { type: 'module' })
  workers.push(worker)
  return worker
})
const signal = new AbortController().signal

async function request(recipeIds: readonly string[]): Promise<RunRequest> {
  const { bundledTexts } = await studio.openSample(signal)
  const text = bundledTexts.find(({ id }) => id === 'evaluation')?.text ?? ''
  return {
    recipes: await Promise.all(recipeIds.map((id) => studio.parseRecipe(id))),
    evaluation: { text, textName: 'sample', protocol: 'windows', contextLength: 64, maxTokens: 512, inputs: 'float' },
    calibration: null,
    importance: null,
    seed: 1,
  }
}

async function faultOf(promise: Promise<unknown>): Promise<StudioError> {
  const error: unknown = await promise.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (error instanceof StudioError) return error
  throw new Error(`expected a StudioError, got ${String(error)}`)
}

describe('the studio in its worker', () => {
  afterAll(async () => {
    await studio.clearStorage('runs')
    await studio.clearStorage('exports')
    for (const worker of workers) worker.terminate()
  })

  it('opens the sample, plans, runs, continues text and exports', async () => {
    const run = await request(['Q8_0', 'nearest-3bit-g32'])
    const plan = await studio.plan(run)
    expect(plan.issues.filter(({ severity }) => severity === 'error')).toEqual([])
    const events: RunEvent[] = []
    let isSettled = false
    const finished = await studio.run(
      run,
      (event) => {
        expect(isSettled).toBe(false)
        events.push(event)
      },
      signal,
    )
    isSettled = true
    const report = measured(finished)
    expect(events[0]?.kind).toBe('started')
    expect(events.at(-1)?.kind).toBe('finished')
    expect(report.planHash).toBe(plan.hash)
    const [q8, q3] = report.recipes
    expect(Math.abs(q8?.aboveFloat.value ?? 1)).toBeLessThan(0.02)
    expect(q3?.klDivergence.mean).toBeGreaterThan(q8?.klDivergence.mean ?? 0)
    expect(q8?.backend).toMatch(/^kernels wasm x\d+, forward wasm x\d+$/)

    const prompt = { prompt: 'Once upon a time', maxTokens: 8, temperature: 0, seed: 1, planHash: plan.hash, recipeIds: ['Q8_0'] }
    const [float, continued] = await studio.generate(prompt, () => undefined, signal)
    expect(float?.tokenIds).toHaveLength(8)
    expect(continued?.pieces.join('')).toBe(continued?.text)

    const exported = await studio.exportRecipe(
      { planHash: plan.hash, recipeId: 'Q8_0', targetId: 'gguf', options: { maxFileBytes: null, device: null }, destination: null },
      () => undefined,
      signal,
    )
    const [path] = exported.storedPaths
    const file = await studio.readExport(path ?? '')
    expect(file.size).toBe(exported.files[0]?.bytes)
    expect(file.size).toBe(plan.recipes[0]?.bytes)
    expect((await studio.storage()).exportBytes).toBe(exported.files.reduce((sum, each) => sum + each.bytes, 0))
  }, 120_000)

  it('stores the weights of a run that only quantizes in the GGUF itself, stopped in between or not', async () => {
    const measuring = await request(['Q5_0'])
    const only: RunRequest = { ...measuring, evaluation: null }
    const stop = new AbortController()
    await faultOf(studio.run(only, (event) => (event.kind === 'block-stored' ? stop.abort() : undefined), stop.signal))
    const write = async (run: RunRequest) => {
      const { planHash } = await studio.run(run, () => undefined, signal)
      const options = { maxFileBytes: null, device: null }
      return studio.exportRecipe({ planHash, recipeId: 'Q5_0', targetId: 'gguf', options, destination: null }, () => undefined, signal)
    }
    const whole = await write(measuring)
    const completed = await write(only)
    expect(whole.storedPaths[0]).toMatch(/^exports\//)
    expect(completed.storedPaths[0]).toMatch(/^runs\//)
    expect(completed.files[0]?.sha256).toBe(whole.files[0]?.sha256)
    const file = await studio.readExport(completed.storedPaths[0] ?? '')
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()))
    expect([...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')).toBe(completed.files[0]?.sha256)
  }, 120_000)

  it('lets the graphics card do kernels when told so, and says of each why or why not', async () => {
    const { threads, memoryLimitBytes, hubEndpoint, webgpuKernels } = await studio.environment()
    const settings = { threads, memoryLimitBytes, hubEndpoint }
    expect(webgpuKernels.map(({ operation }) => operation)).toContain('quantizeGgml')
    const forced = await studio.configure({ ...settings, backend: 'webgpu' })
    const there = forced.webgpuKernels.filter(({ support }) => support === true).map(({ operation }) => operation)
    expect(there).toEqual(['quantizeGgml', 'accumulateGram', 'traceThroughGram', 'sweepColumns'])
    const without = await studio.configure({ ...settings, backend: 'wasm' })
    expect(new Set(without.webgpuKernels.map(({ support }) => support))).toEqual(new Set(['Switched off in the settings.']))
  }, 120_000)

  it('hands faults over with code, title and remedy', async () => {
    const error = await faultOf(studio.parseRecipe('nearest-9bit-g32'))
    expect(error.code).toBe('recipe-invalid')
    expect(error.remedy).toContain('nearest-8bit-g32')
    expect(error.title).not.toBe('')
  })

  it('stops by signal and goes on from the finished blocks', async () => {
    const run = await request(['Q4_0'])
    const stop = new AbortController()
    const stopped = await faultOf(studio.run(run, (event) => (event.kind === 'block-stored' ? stop.abort() : undefined), stop.signal))
    expect(stopped.code).toBe('aborted')
    const waiting = await studio.unfinishedRun()
    expect(waiting?.blocksDone).toBeGreaterThan(0)
    let resumedBlocks = 0
    await studio.run(run, (event) => (event.kind === 'started' ? (resumedBlocks = event.resumedBlocks) : undefined), signal)
    expect(resumedBlocks).toBe(waiting?.blocksDone)
    expect(await studio.unfinishedRun()).toBeNull()
  }, 120_000)

  it('rejects when its worker dies, and works again with the model still open', async () => {
    const run = await request(['Q4_1'])
    const died = faultOf(studio.run(run, (event) => (event.kind === 'block-stored' ? workers.at(-1)?.terminate() : undefined), signal))
    expect((await died).code).toBe('worker-lost')
    const before = workers.length
    const report = await studio.run(run, () => undefined, signal)
    expect(workers).toHaveLength(before + 1)
    expect(report.recipes[0]?.id).toBe('Q4_1')
  }, 120_000)
})
