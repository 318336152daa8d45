import { describe, expect, it } from 'vitest'
import type { TestDriveProgress, TestDriveRequest } from './contract.ts'
import { createTestDrive } from './drive.ts'
import { runtimes } from './registry.ts'
import type { DrivenModel, TestDriveRuntime } from './runtime.ts'
import { answerFrom } from './runtimes/transformers-js.ts'

const request: TestDriveRequest = {
  runtimeId: 'made',
  files: [],
  device: 'wasm',
  threads: 1,
  prompt: 'Once',
  tokens: 20,
  warmUps: 3,
  runs: 10,
}
const quiet = new AbortController().signal

function made(change: Partial<DrivenModel> = {}) {
  let clock = 0
  const calls: [string, number][] = []
  let closed = 0
  const model: DrivenModel = {
    version: '1',
    async generate(prompt, tokens) {
      calls.push([prompt, tokens])
      clock += 500
      return { tokenIds: [1, 2, 3, 4], text: 'upon a time' }
    },
    async close() {
      closed += 1
    },
    ...change,
  }
  const runtime: TestDriveRuntime = {
    id: 'made',
    title: 'Made',
    targets: ['onnx'],
    devices: ['wasm'],
    async load() {
      clock += 2000
      return model
    },
  }
  return { service: createTestDrive({ runtimes: [runtime], now: () => clock }), calls, closed: () => closed }
}

describe('a test drive', () => {
  it('warms up, runs, and tells the speed of each run', async () => {
    const { service, calls, closed } = made()
    const seen: TestDriveProgress[] = []
    const result = await service.drive(request, (progress) => seen.push(progress), quiet)
    expect(calls).toHaveLength(13)
    expect(calls[0]).toEqual(['Once', 20])
    expect(result).toEqual({
      runtime: 'Made',
      version: '1',
      device: 'wasm',
      loadSeconds: 2,
      tokenIds: [1, 2, 3, 4],
      text: 'upon a time',
      tokensPerSecond: Array.from({ length: 10 }, () => 8),
      isRepeatable: true,
    })
    expect(seen.map(({ step }) => step)).toEqual(['loading', ...Array<string>(3).fill('warming-up'), ...Array<string>(10).fill('running')])
    expect(closed()).toBe(1)
  })

  it('says when runs differ', async () => {
    let count = 0
    const { service } = made({ generate: async () => ({ tokenIds: [count++ === 5 ? 9 : 1], text: '' }) })
    expect((await service.drive(request, () => undefined, quiet)).isRepeatable).toBe(false)
  })

  it('wraps what a runtime throws, closes the model, and knows its runtimes', async () => {
    const { service, closed } = made({ generate: () => Promise.reject(new Error('out of memory')) })
    const attempt = service.drive(request, () => undefined, quiet)
    await expect(attempt).rejects.toMatchObject({ code: 'engine-failed', message: 'Made: out of memory.' })
    expect(closed()).toBe(1)
    const unknown = service.drive({ ...request, runtimeId: 'other' }, () => undefined, quiet)
    await expect(unknown).rejects.toMatchObject({ code: 'engine-failed', details: { runtime: 'other' } })
    expect(await service.runtimes()).toEqual([{ id: 'made', title: 'Made', targets: ['onnx'], devices: ['wasm'] }])
  })

  it('stops between runs', async () => {
    const controller = new AbortController()
    const { service, closed } = made()
    const attempt = service.drive(request, ({ step }) => step === 'running' && controller.abort(), controller.signal)
    await expect(attempt).rejects.toMatchObject({ code: 'aborted' })
    expect(closed()).toBe(1)
  })
})

describe('runtimes', () => {
  it('are the files of the folder', () => {
    expect(runtimes.map(({ id }) => id)).toEqual(['transformers-js', 'wllama'])
  })

  it('of transformers.js get the files of the export and nothing else', async () => {
    const fetch = answerFrom([{ path: 'onnx/model_q4.onnx', file: new Blob(['graph']) }])
    const found = await fetch('/test-drive/model/onnx/model_q4.onnx')
    expect([found.status, await found.text(), found.headers.get('Content-Length')]).toEqual([200, 'graph', '5'])
    expect((await fetch('/test-drive/model/preprocessor_config.json')).status).toBe(404)
    expect((await fetch('https://huggingface.co/model/resolve/main/config.json')).status).toBe(404)
  })
})
