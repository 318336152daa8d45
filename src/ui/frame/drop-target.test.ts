import { describe, expect, it } from 'vitest'
import { isImatrixName } from './drop-target.ts'

describe('a dropped file', () => {
  it.each(['imatrix.dat', 'Tiny.imatrix', 'sub/tiny.imatrix.gguf', 'imatrix-wiki.gguf'])('%s is an importance matrix', (name) => {
    expect(isImatrixName(name)).toBe(true)
  })

  it.each(['model.gguf', 'config.json', 'imatrix/model.gguf', 'model.safetensors'])('%s is none', (name) => {
    expect(isImatrixName(name)).toBe(false)
  })
})
