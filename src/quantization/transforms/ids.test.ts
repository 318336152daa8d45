import { describe, expect, it } from 'vitest'
import { StudioError } from '../../core/errors.ts'
import { parseRecipe, summarize } from '../parse-recipe.ts'

const int8 = { kind: 'affine', bits: 8, group: 'channel', symmetric: true }

describe('ids of recipes with a transform', () => {
  it.each([
    ['awq-4bit-g128', { transform: { kind: 'awq' }, grid: { bits: 4, group: 128, symmetric: false }, rounding: { kind: 'nearest' } }],
    ['awq-4bit-g128-sym', { transform: { kind: 'awq' }, grid: { symmetric: true } }],
    ['awq-plain-noclip-3bit-g64', { transform: { kind: 'awq', scales: 'inputs', clip: false }, grid: { bits: 3, group: 64 } }],
    ['awq+gptq-4bit-g128', { transform: { kind: 'awq' }, rounding: { kind: 'gptq' } }],
    ['Q4_K+awq', { transform: { kind: 'awq' }, grid: { kind: 'ggml', type: 'Q4_K' }, rounding: { kind: 'nearest' } }],
    ['Q4_K_M+awq+imatrix', { transform: { kind: 'awq' }, rounding: { kind: 'weighted' }, allocation: { mix: 'Q4_K_M' } }],
    ['Q4_K+awq+gptq-actorder', { transform: { kind: 'awq' }, rounding: { kind: 'gptq', order: 'act-order' } }],
    ['nf4+awq', { transform: { kind: 'awq' }, grid: { kind: 'codebook', book: 'nf4' } }],
    ['hadamard-4bit-g128', { transform: { kind: 'hadamard' }, grid: { bits: 4, group: 128 }, rounding: { kind: 'nearest' } }],
    ['hadamard-heads-seed12-3bit-g32', { transform: { kind: 'hadamard', scope: 'heads', seed: 12 }, grid: { bits: 3 } }],
    ['hadamard+gptq-2bit-g32', { transform: { kind: 'hadamard' }, rounding: { kind: 'gptq' } }],
    ['Q4_0+hadamard', { transform: { kind: 'hadamard' }, grid: { kind: 'ggml', type: 'Q4_0' } }],
    ['Q4_K_M+hadamard+gptq', { transform: { kind: 'hadamard' }, rounding: { kind: 'gptq' }, allocation: { mix: 'Q4_K_M' } }],
    ['nf4+hadamard-seed1', { transform: { kind: 'hadamard', seed: 1 }, grid: { kind: 'codebook', book: 'nf4' } }],
    ['smoothquant-w8a8', { transform: { kind: 'smoothquant' }, grid: int8 }],
    ['smoothquant-w8a8-alpha0.85-static', { transform: { kind: 'smoothquant', alpha: 0.85, activations: 'tensor' }, grid: int8 }],
    ['smoothquant-w8a8-integer', { transform: { kind: 'smoothquant', activations: 'integer' }, grid: int8 }],
    ['smoothquant-search-8bit-channel-sym', { transform: { kind: 'smoothquant', alpha: 'search' }, grid: int8 }],
  ])('%s', (id, parts) => {
    expect(parseRecipe(id)).toMatchObject({ id, ...parts })
  })

  it('are said in words', () => {
    expect(summarize(parseRecipe('Q4_K+awq'))).toMatch(/^awq, Q4_K .*, nearest$/)
    expect(summarize(parseRecipe('smoothquant-w8a8-static'))).toMatch(/^smoothquant-static, affine 8 bit symmetric/)
  })

  it.each([
    ['awk-4bit-g128', 'awq-4bit-g128'],
    ['hadamrad-4bit-g128', 'hadamard-4bit-g128'],
    ['smoothquant-w8a9', 'smoothquant-w8a8'],
    ['Q4_K+awp', 'Q4_K+awq'],
  ])('%s is close to %s', (id, nearest) => {
    try {
      parseRecipe(id)
      expect.unreachable()
    } catch (error) {
      expect(error instanceof StudioError ? error.remedy : '').toContain(`"${nearest}"`)
    }
  })

  it.each([{ scope: 'hidden' }, { seed: -1 }, { seed: 0.5 }, { seed: 2 ** 32 }, { angle: 1 }])(
    'refuse %j of a rotation by name',
    (setting) => {
      const text = JSON.stringify({ id: 'x', transform: { kind: 'hadamard', ...setting }, grid: int8 })
      expect(() => parseRecipe(text)).toThrow(`The ${Object.keys(setting).join('')} of the Hadamard rotation is not possible`)
    },
  )

  it('have seeds that fit', () => {
    expect(() => parseRecipe('hadamard-seed4294967296-4bit-g128')).toThrow('There is no recipe')
    expect(parseRecipe('hadamard-seed4294967295-4bit-g128').transform['seed']).toBe(4294967295)
  })
})
