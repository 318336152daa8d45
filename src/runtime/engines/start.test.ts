import { expect, it, vi } from 'vitest'
import { createOnnxEngine } from './onnxruntime.ts'

vi.mock('./load-onnxruntime.ts', () => ({
  loadOnnxRuntime: () => Promise.reject(new TypeError('Failed to fetch dynamically imported module')),
}))

it('says that ONNX Runtime could not be loaded', async () => {
  await expect(createOnnxEngine({ backend: 'wasm', threads: 1 })).rejects.toMatchObject({
    code: 'engine-failed',
    title: 'ONNX Runtime did not start',
    details: { backend: 'wasm' },
  })
})
