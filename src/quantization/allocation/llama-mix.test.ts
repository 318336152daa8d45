import { describe, expect, it, test } from 'vitest'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { ModelGraph } from '../../models/model-graph.ts'
import { parseRecipe, summarize, validateRecipe } from '../parse-recipe.ts'
import { encodingsOf, resolveTensors } from '../resolve.ts'
import golden from './golden/mixes.json'

interface Shape {
  readonly hidden: number
  readonly ffn: number
  readonly layers: number
  readonly heads: number
  readonly kv_heads: number
  readonly vocab: number
  readonly tied: boolean
}

const roles = { q: 'attn_q', k: 'attn_k', v: 'attn_v', o: 'attn_output', gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' } as const

/** A llama model whose matrices have the names of a GGUF file. */
function graphOf({ hidden, ffn, layers, heads, kv_heads: kvHeads, vocab, tied }: Shape): ModelGraph {
  const headDim = hidden / heads
  const rows = { q: hidden, k: kvHeads * headDim, v: kvHeads * headDim, o: hidden, gate: ffn, up: ffn, down: hidden }
  return {
    familyId: 'llama',
    architecture: 'LlamaForCausalLM',
    config: {
      layers,
      hidden,
      heads,
      kvHeads,
      headDim,
      intermediate: ffn,
      vocab,
      maxPositions: 128,
      positions: 128,
      normEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: { kind: 'none' },
      isTied: tied,
      activation: 'silu',
      bosTokenId: 1,
      eosTokenIds: [2],
    },
    design: { wiring: 'pre', norm: 'rms', attention: 'split', mlp: 'gated', position: 'rope-half' },
    embedding: { name: 'token_embd.weight', shape: [vocab, hidden] },
    finalNorm: { name: 'output_norm.weight', shape: [hidden] },
    head: tied ? null : { name: 'output.weight', shape: [vocab, hidden] },
    blocks: Array.from({ length: layers }, (_, index) => ({
      index,
      linears: Object.entries(roles).map(([role, name]) => ({
        role,
        weight: `blk.${index}.${name}.weight`,
        bias: null,
        inFeatures: role === 'down' ? ffn : hidden,
        outFeatures: rows[role as keyof typeof roles],
        tap: role,
      })),
      norms: {},
    })),
  }
}

/** Type of every matrix under a mix. */
function typesOf(graph: ModelGraph, mix: string, rounding = 'nearest'): Readonly<Record<string, string>> {
  const recipe = validateRecipe({
    id: mix,
    grid: { kind: 'ggml', type: rounding === 'nearest' ? 'Q8_0' : 'Q4_K' },
    rounding: { kind: rounding },
    allocation: { kind: 'llama-mix', mix },
    embedding: 'grid',
    head: 'grid',
  })
  const encodings = encodingsOf(resolveTensors(graph, recipe), [])
  return Object.fromEntries(
    [...encodings].map(([name, encoding]) => [name, encoding.encoding === 'ggml' ? encoding.type : encoding.encoding]),
  )
}

const nameOfId = new Map<number, GgmlType>(Object.entries(ggmlTypes).map(([name, { id }]) => [id, name as GgmlType]))

describe.each(Object.entries(golden))('llama-quantize on %s', (_, { mixes, ...shape }) => {
  test.each(Object.entries(mixes))('chooses the same type for every matrix of a %s', (mix, expected: Readonly<Record<string, number>>) => {
    const named = Object.fromEntries(Object.entries(expected).map(([name, id]) => [name, nameOfId.get(id)]))
    expect(typesOf(graphOf(shape), mix)).toEqual(named)
  })
})

const shape = { hidden: 512, ffn: 1024, layers: 22, heads: 8, kv_heads: 2, vocab: 64, tied: false }

describe('a mix', () => {
  it('gives the favoured blocks of 22 more bits', () => {
    const types = typesOf(graphOf(shape), 'Q4_K_M')
    const better = Object.keys(types).filter((name) => name.includes('ffn_down') && types[name] === 'Q6_K')
    expect(better.map((name) => Number(name.split('.')[1]))).toEqual([0, 1, 4, 7, 10, 13, 16, 19, 20, 21])
  })

  it('gives the value matrices of 80 blocks with shared keys Q5_K', () => {
    expect(typesOf(graphOf({ ...shape, layers: 80 }), 'Q3_K_M')['blk.40.attn_v.weight']).toBe('Q5_K')
    expect(typesOf(graphOf({ ...shape, layers: 80, kv_heads: 8 }), 'Q3_K_M')['blk.40.attn_v.weight']).toBe('Q4_K')
  })

  // llama-quant.cpp, `has_imatrix`: 22 / 8 is 2 blocks.
  it.each([
    ['Q4_0', 'Q4_0', 'Q4_1'],
    ['Q5_0', 'Q5_0', 'Q5_1'],
    ['IQ4_NL', 'Q5_K', 'IQ4_NL'],
    ['IQ4_XS', 'Q5_K', 'IQ4_XS'],
    ['Q4_K_S', 'Q5_K', 'Q5_K'],
  ])('gives the first down matrices of %s %s, with importance %s', (mix, without, withImportance) => {
    const down = (types: Readonly<Record<string, string>>): (string | undefined)[] =>
      [0, 1, 2].map((block) => types[`blk.${block}.ffn_down.weight`])
    const later = mix === 'Q4_K_S' ? 'Q4_K' : mix
    expect(down(typesOf(graphOf(shape), mix))).toEqual([without, without, later])
    expect(down(typesOf(graphOf(shape), mix, 'weighted'))).toEqual([withImportance, withImportance, later])
  })

  it('writes Q2_K_S with importance alone', () => {
    expect(() => typesOf(graphOf(shape), 'Q2_K_S')).toThrow('Q2_K_S cannot be written without')
    const types = typesOf(graphOf(shape), 'Q2_K_S', 'weighted')
    expect(['blk.0.ffn_down', 'blk.2.ffn_down', 'blk.2.attn_v', 'output'].map((name) => types[`${name}.weight`])).toEqual([
      'Q4_K',
      'Q2_K',
      'Q4_K',
      'Q6_K',
    ])
  })

  it('falls back to what fits, at last to F16', () => {
    const types = typesOf(graphOf({ ...shape, hidden: 320, ffn: 1000 }), 'Q4_K_M')
    expect(types['blk.5.attn_q.weight']).toBe('Q5_0')
    expect(types['blk.5.ffn_down.weight']).toBe('F16')
    expect(types['output.weight']).toBe('Q8_0')
  })

  it('is a recipe by its name, unless the name is a type', () => {
    const recipe = parseRecipe('Q4_K_M')
    expect(recipe).toMatchObject({
      grid: { kind: 'ggml', type: 'Q4_K' },
      allocation: { kind: 'llama-mix', mix: 'Q4_K_M' },
      embedding: 'grid',
      head: 'grid',
    })
    expect(summarize(recipe)).toContain('mix Q4_K_M')
    expect(parseRecipe('Q6_K')).toMatchObject({ allocation: { kind: 'uniform' }, head: 'float' })
  })
})
