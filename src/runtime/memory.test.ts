import { describe, expect, it } from 'vitest'
import { familyFor } from '../models/registry.ts'
import { tinyLlamaConfig } from '../testing/tiny-llama.ts'
import { attentionParts, forwardBytes, partLengths } from './memory.ts'

const { config } = familyFor(tinyLlamaConfig()).describe(tinyLlamaConfig())

describe('attention in parts', () => {
  it.each([1, 2, 63, 64, 65, 301, 2048, 40000])('covers %i queries exactly', (length) => {
    const parts = attentionParts(length)
    const lengths = partLengths(length, parts)
    expect(lengths).toHaveLength(parts)
    expect(lengths.every((count) => count > 0)).toBe(true)
    expect(lengths.reduce((sum, count) => sum + count, 0)).toBe(length)
  })

  it('has a bound on memory that grows with the batch and with taps', () => {
    const bytes = forwardBytes(config, { batch: 1, length: 256 })
    expect(forwardBytes(config, { batch: 2, length: 256 })).toBe(2 * bytes)
    expect(forwardBytes(config, { batch: 1, length: 256 }, true)).toBeGreaterThan(bytes)
  })
})
