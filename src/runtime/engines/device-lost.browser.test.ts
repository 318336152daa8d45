import { expect, it } from 'vitest'
import { blockCases, buildBlock } from '../../testing/block-cases.ts'
import { loadOnnxRuntime } from './load-onnxruntime.ts'
import { createOnnxEngine } from './onnxruntime.ts'
import { probeWebGpu } from './webgpu.ts'

it('knows a software adapter when it sees one', async () => {
  const adapter = await probeWebGpu()
  expect(adapter).not.toBeNull()
  expect(adapter?.isSoftware).toBe(/swiftshader/.test(adapter?.architecture ?? ''))
})

// In a file of its own: ONNX Runtime keeps the device of its thread, lost or not.
it('turns a lost device into its own error, at once and from then on', { timeout: 60_000 }, async () => {
  const [first] = blockCases
  if (first === undefined) throw new RangeError('There are cases.')
  const built = buildBlock({ ...first, batch: 1 })
  const engine = await createOnnxEngine({ backend: 'webgpu', threads: 1 })
  const runner = await engine.openModel(built.graph)
  const block = await runner.loadBlock(built.weights)
  const { webgpu } = (await loadOnnxRuntime('webgpu')).env
  const device = await webgpu.device
  device.destroy()
  await device.lost
  await expect(block.run(built.input)).rejects.toMatchObject({ code: 'device-lost' })
  await expect(block.step(built.input, null)).rejects.toMatchObject({ code: 'device-lost' })
  await expect(runner.loadBlock(built.weights)).rejects.toMatchObject({ code: 'device-lost' })
  await block.release()
  await runner.close()
})
