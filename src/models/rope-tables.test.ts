import { describe, expect, it } from 'vitest'
import type { ModelConfig, RopeScaling } from './model-graph.ts'
import { familyFor } from './registry.ts'
import { ropeFrequencies, ropeTables } from './rope-tables.ts'

const raw = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  vocab_size: 32,
  rope_theta: 500000,
}
const { config } = familyFor(raw).describe(raw)
const scaled = (ropeScaling: RopeScaling): ModelConfig => ({ ...config, ropeScaling })
const llama31: RopeScaling = { kind: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 8192 }

describe('ropeFrequencies', () => {
  it('fall from 1 by powers of theta', () => {
    const frequencies = ropeFrequencies(config)
    expect(frequencies).toHaveLength(64)
    expect(frequencies[0]).toBe(1)
    expect(frequencies[32]).toBeCloseTo(1 / Math.sqrt(500000), 12)
  })

  it('are all divided by a linear factor', () => {
    expect(ropeFrequencies(scaled({ kind: 'linear', factor: 4 }))).toEqual(ropeFrequencies(config).map((value) => value / 4))
  })

  it("keep, bend and divide as Llama 3.1's do", () => {
    const ratio = ropeFrequencies(scaled(llama31)).map((value, pair) => value / (ropeFrequencies(config)[pair] ?? 1))
    // transformers' _compute_llama3_parameters for this config: kept to pair 28, divided from pair 35
    expect(ratio.slice(0, 29).every((value) => value === 1)).toBe(true)
    expect(ratio.slice(35).every((value) => Math.abs(value - 1 / 8) < 1e-12)).toBe(true)
    const between = ratio.slice(28, 36)
    expect(between.every((value, index) => index === 0 || value < (between[index - 1] ?? 0) + 1e-12)).toBe(true)
  })
})

describe('ropeTables', () => {
  it('hold position after position', () => {
    const { cosine, sine } = ropeTables(config, 3)
    const frequency = ropeFrequencies(config)[5] ?? 0
    expect(cosine[2 * 64 + 5]).toBe(Math.fround(Math.cos(2 * frequency)))
    expect(sine[2 * 64 + 5]).toBe(Math.fround(Math.sin(2 * frequency)))
    expect([...cosine.subarray(0, 64)].every((value) => value === 1)).toBe(true)
  })
})
