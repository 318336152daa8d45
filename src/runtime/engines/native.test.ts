import { afterEach, expect, it, vi } from 'vitest'
import { describeEngine } from '../../testing/engine-suite.ts'
import { createNativeEngine } from './native.ts'

describeEngine('ONNX Runtime, native', () => createNativeEngine(2), { tolerance: 2e-5 })

afterEach(() => {
  vi.doUnmock('onnxruntime-node')
  vi.resetModules()
})

it('names the native engine and its threads', async () => {
  const engine = await createNativeEngine(2)
  expect(engine.backend).toBe('native x2')
  await engine.close()
})

it('says what to do where it has no build', async () => {
  vi.doMock('onnxruntime-node', () => {
    throw new Error('no such file')
  })
  vi.resetModules()
  const { createNativeEngine: create } = await import('./native.ts')
  await expect(create(1)).rejects.toMatchObject({ code: 'engine-failed', remedy: 'Leave --engine native out: WASM runs everywhere.' })
})
