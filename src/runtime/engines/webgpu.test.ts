import { describe, expect, it } from 'vitest'
import { isSoftwareAdapter, probeWebGpu } from './webgpu.ts'

describe('isSoftwareAdapter', () => {
  it.each([
    [{ vendor: 'google', architecture: 'swiftshader' }, true],
    [{ vendor: 'mesa', architecture: 'llvmpipe' }, true],
    [{ vendor: '', architecture: '', isFallbackAdapter: true }, true],
    [{ vendor: 'nvidia', architecture: 'ampere' }, false],
    [{ vendor: 'apple', architecture: 'metal-3' }, false],
  ])('of %j is %s', (info, expected) => {
    expect(isSoftwareAdapter(info)).toBe(expected)
  })
})

describe('probeWebGpu', () => {
  it('finds nothing in Node', async () => {
    expect(await probeWebGpu()).toBeNull()
  })
})
