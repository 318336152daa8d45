import { describe, expect, it } from 'vitest'
import { isSoftwareAdapter } from './software-adapter.ts'

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
