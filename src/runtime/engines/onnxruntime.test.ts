import { describe, expect, it } from 'vitest'
import { describeEngine } from '../../testing/engine-suite.ts'
import { createOnnxEngine } from './onnxruntime.ts'

describeEngine('ONNX Runtime, WASM in Node', () => createOnnxEngine({ backend: 'wasm', threads: 2 }), { tolerance: 2e-5 })

describe('createOnnxEngine', () => {
  it('says that there is no WebGPU where there is none', async () => {
    await expect(createOnnxEngine({ backend: 'webgpu', threads: 1 })).rejects.toMatchObject({
      code: 'device-lost',
      title: 'No graphics adapter',
    })
  })

  it('names the backend and its threads', async () => {
    const engine = await createOnnxEngine({ backend: 'wasm', threads: 2 })
    expect(engine.backend).toBe('wasm x2')
    await engine.close()
  })
})
