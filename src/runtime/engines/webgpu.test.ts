import { describe, expect, it } from 'vitest'
import { probeWebGpu } from './webgpu.ts'

describe('probeWebGpu', () => {
  it('finds nothing in Node', async () => {
    expect(await probeWebGpu()).toBeNull()
  })
})
