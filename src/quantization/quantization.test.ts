import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { StudioError } from '../core/errors.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import { parseRecipe, summarize, systematicRecipe, validateRecipe } from './parse-recipe.ts'
import { findRecipe, presetSets, presets } from './presets.ts'
import { grids } from './registry.ts'
import { encodedBits, encodingsOf, globPattern, resolveTensors } from './resolve.ts'

function graph(options: { isTied: boolean; intermediate?: number }): ModelGraph {
  const intermediate = options.intermediate ?? 172
  const linear = (index: number, role: string, [outFeatures, inFeatures]: readonly [number, number]) => ({
    role,
    weight: `model.layers.${index}.${role}_proj.weight`,
    bias: null,
    inFeatures,
    outFeatures,
    tap: role === 'down' ? 'down' : 'in',
  })
  return {
    familyId: 'llama',
    architecture: 'LlamaForCausalLM',
    config: {
      layers: 2,
      hidden: 64,
      heads: 4,
      kvHeads: 4,
      headDim: 16,
      intermediate,
      vocab: 96,
      maxPositions: 128,
      positions: 128,
      normEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: { kind: 'none' },
      isTied: options.isTied,
      activation: 'silu',
      bosTokenId: 1,
      eosTokenIds: [2],
    },
    design: { wiring: 'pre', norm: 'rms', attention: 'split', mlp: 'gated', position: 'rope-half' },
    embedding: { name: 'model.embed_tokens.weight', shape: [96, 64] },
    finalNorm: { name: 'model.norm.weight', shape: [64] },
    head: options.isTied ? null : { name: 'lm_head.weight', shape: [96, 64] },
    blocks: [0, 1].map((index) => ({
      index,
      linears: [linear(index, 'q', [64, 64]), linear(index, 'down', [64, intermediate])],
      norms: {},
    })),
  }
}

const invalid = (run: () => unknown): StudioError => {
  try {
    run()
  } catch (error) {
    if (error instanceof StudioError) return error
  }
  throw new Error('expected recipe-invalid')
}

describe('systematic preset ids', () => {
  it('reads every bit width and group of the pattern, and the label gives the id back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.oneof(fc.integer({ min: 16, max: 256 }), fc.constantFrom('channel' as const, 'tensor' as const)),
        fc.boolean(),
        fc.boolean(),
        (bits, group, symmetric, isClipped) => {
          const suffix = `${symmetric ? '-sym' : ''}${isClipped ? '-mse' : ''}`
          const id = `nearest-${bits}bit-${typeof group === 'number' ? `g${group}` : group}${suffix}`
          const recipe = parseRecipe(id)
          expect(recipe.grid).toEqual({ kind: 'affine', bits, group, symmetric, ...(isClipped ? { clip: 'mse' } : {}) })
          const grid = grids.get('affine')
          expect(`nearest-${grid.label(grid.parse(recipe.grid))}`).toBe(id)
        },
      ),
      { numRuns: 60 },
    )
  })

  it.each(['F16', 'Q8_0', 'Q6_K', 'Q5_1', 'Q4_K', 'Q4_0', 'IQ4_XS', 'MXFP4', 'NVFP4', 'Q3_K', 'Q2_K', 'TQ1_0'])('reads %s', (type) => {
    expect(parseRecipe(type).grid).toEqual({ kind: 'ggml', type })
  })

  it.each([
    ['nearest-9bit-g32', 'nearest-8bit-g32'],
    ['nearest-0bit-g32', 'nearest-1bit-g32'],
    ['nearest-1.6bit-g64', 'nearest-1.58bit-g64'],
    ['hqq-9bit-g64', 'hqq-8bit-g64'],
    ['kmeans-7bit', 'kmeans-6bit'],
    ['nearest-1bit-g8', 'nearest-1bit-g16'],
    ['nearest-4bit-g8', 'nearest-4bit-g16'],
    ['nearest-4bit-g300-sym', 'nearest-4bit-g256-sym'],
    ['nearst-4bit-channel', 'nearest-4bit-channel'],
    ['q4_0', 'Q4_0'],
    ['Q4_K_X', 'Q4_K_S'],
    ['q5_k_m', 'Q5_K_M'],
    ['nearest-04bit-g32', 'nearest-4bit-g32'],
  ])('refuses %s and suggests %s', (id, suggestion) => {
    const error = invalid(() => parseRecipe(id))
    expect(error.code).toBe('recipe-invalid')
    expect(error.remedy).toContain(`"${suggestion}"`)
  })

  it('reads what is rounded by importance, of types and of mixes', () => {
    expect(parseRecipe('Q4_K+imatrix')).toMatchObject({
      grid: { kind: 'ggml', type: 'Q4_K' },
      rounding: { kind: 'weighted' },
      head: 'float',
    })
    expect(parseRecipe('Q4_K_M+imatrix')).toMatchObject({ id: 'Q4_K_M+imatrix', allocation: { mix: 'Q4_K_M' }, head: 'grid' })
    expect(summarize(parseRecipe('Q4_K+imatrix'))).toMatch(/^Q4_K \(.*\), imatrix$/)
  })

  it.each([
    ['Q8_0+imatrix', 'Q8_0 stores the same weights whichever inputs matter'],
    ['imatrix-4bit-g32', '4bit-g32 stores the same weights'],
    ['Q2_K_S', 'Q2_K_S cannot be written without knowing which inputs matter'],
  ])('refuses %s: %s', (id, text) => {
    expect(invalid(() => parseRecipe(id)).message).toContain(text)
  })

  it.each([
    ['Q4_K_M+imatri', 'Q4_K_M+imatrix'],
    ['q4_0+imatrix', 'Q4_0+imatrix'],
    ['Q8_0+imatrx', 'Q8_0'],
  ])('refuses %s and suggests something that is possible', (id, suggestion) => {
    const { remedy } = invalid(() => parseRecipe(id))
    expect(remedy).toContain('The nearest one is "')
    if (suggestion !== 'Q8_0') expect(remedy).toContain(`"${suggestion}"`)
    else expect(remedy).not.toContain('"Q8_0+imatrix"')
  })

  it('says a recipe in words', () => {
    expect(summarize(parseRecipe('nearest-4bit-g32'))).toBe('affine 4 bit, groups of 32, nearest')
  })
})

describe('importance', () => {
  it('may be ignored by one matrix of a recipe, not by its grid', () => {
    const mixed = { id: 'x', grid: { kind: 'ggml', type: 'Q4_K' }, rounding: { kind: 'weighted' } }
    const override = { match: '*.0.*', grid: { kind: 'ggml', type: 'Q8_0' } }
    expect(validateRecipe({ ...mixed, overrides: [override] }).overrides).toEqual([override])
    expect(invalid(() => validateRecipe({ ...mixed, grid: override.grid })).remedy).toBe('Choose another grid or another rounding.')
  })

  it('is required by some grids, which nearest rounding and the embedding then cannot have', () => {
    const ggml = grids.get('ggml')
    vi.spyOn(ggml, 'importanceUse').mockReturnValue('required')
    expect(invalid(() => parseRecipe('Q4_0')).message).toBe('Q4_0 cannot be rounded without knowing which inputs matter.')
    const recipe = validateRecipe({ id: 'x', grid: { kind: 'ggml', type: 'Q4_0' }, rounding: { kind: 'weighted' }, embedding: 'grid' })
    const resolved = [...resolveTensors(graph({ isTied: false }), recipe).values()]
    expect(resolved.filter(({ refusal }) => refusal !== null).map(({ role, refusal }) => [role, refusal])).toEqual([
      ['embedding', 'Q4_0 cannot be rounded without knowing which inputs matter, and of the embedding that is not measured.'],
    ])
    vi.restoreAllMocks()
  })
})

describe('recipes as JSON', () => {
  it('fills defaults and keeps what is given', () => {
    const recipe = parseRecipe('{"id":"mine","grid":{"kind":"affine","bits":3,"group":64},"head":"grid"}')
    expect(recipe).toEqual({
      id: 'mine',
      transform: { kind: 'none' },
      grid: { kind: 'affine', bits: 3, group: 64 },
      rounding: { kind: 'nearest' },
      allocation: { kind: 'uniform' },
      embedding: 'float',
      head: 'grid',
      overrides: [],
    })
    expect(validateRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe)
  })

  it.each([
    ['{"id":"x"', 'not valid JSON'],
    ['{"id":"../x","grid":{"kind":"ggml","type":"Q4_0"}}', 'id'],
    ['{"id":"x","grid":{"kind":"nf5"}}', 'no grid "nf5"'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q9_K"}}', 'type'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"allocation":{"kind":"llama-mix","mix":"Q4_K_X"}}', 'mix'],
    ['{"id":"x","grid":{"kind":"affine","bits":9,"group":32}}', 'bits'],
    ['{"id":"x","grid":{"kind":"affine","bits":4,"group":8}}', 'group'],
    ['{"id":"x","grid":{"kind":"hqq","bits":1,"group":64}}', 'bits'],
    ['{"id":"x","grid":{"kind":"hqq","bits":4,"group":"tensor"}}', 'group'],
    ['{"id":"x","grid":{"kind":"binary","group":8}}', 'group'],
    ['{"id":"x","grid":{"kind":"ternary","group":64,"symmetric":true}}', 'symmetric'],
    ['{"id":"x","grid":{"kind":"k-means","bits":7}}', 'bits'],
    ['{"id":"x","grid":{"kind":"affine","bits":4,"group":32,"color":1}}', 'color'],
    ['{"id":"x","grid":{"kind":"affine","bits":4,"group":32,"clip":"half"}}', 'clip'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"rounding":{"kind":"nearest","damp":1}}', 'damp'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"transform":{"kind":"none","x":1}}', '"x"'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"allocation":{"kind":"uniform","x":1}}', '"x"'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"overrides":[{"match":"*","grid":{"kind":"affine"}}]}', 'bits'],
    ['{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"extra":1}', 'extra'],
    [`{"id":"${'x'.repeat(70_000)}"}`, 'characters'],
  ])('refuses %s', (text, message) => {
    const error = invalid(() => parseRecipe(text))
    expect(error.code).toBe('recipe-invalid')
    expect(error.message).toContain(message)
  })
})

describe('resolving a recipe on a model', () => {
  it('quantizes the linears of the blocks alone unless the recipe says more', () => {
    const resolved = resolveTensors(graph({ isTied: false }), parseRecipe('nearest-4bit-g32'))
    expect([...encodingsOf(resolved, []).keys()]).toEqual([
      'model.layers.0.q_proj.weight',
      'model.layers.0.down_proj.weight',
      'model.layers.1.q_proj.weight',
      'model.layers.1.down_proj.weight',
    ])
  })

  it('falls back to F16 where a block does not divide the row, and says so', () => {
    const resolved = resolveTensors(graph({ isTied: true }), parseRecipe('Q4_0'))
    expect(resolved.get('model.layers.0.q_proj.weight')?.label).toBe('Q4_0')
    const down = resolved.get('model.layers.0.down_proj.weight')
    expect(down?.encoding).toEqual({ encoding: 'ggml', type: 'F16' })
    expect(down?.label).toBe('F16 (fallback of Q4_0)')
    expect(down?.reason).toContain('172')
  })

  it('quantizes a tied matrix when either side says grid, separate ones each', () => {
    const head = validateRecipe({ ...systematicRecipe('Q8_0'), head: 'grid' })
    expect(resolveTensors(graph({ isTied: true }), head).get('model.embed_tokens.weight')?.label).toBe('Q8_0')
    const separate = resolveTensors(graph({ isTied: false }), head)
    expect(separate.get('model.embed_tokens.weight')?.label).toBe('float')
    expect(separate.get('lm_head.weight')?.label).toBe('Q8_0')
  })

  it('lets the first matching override win', () => {
    const recipe = validateRecipe({
      ...systematicRecipe('nearest-4bit-g32'),
      overrides: [
        { match: 'model.layers.0.*', grid: 'float' },
        { match: '*down_proj.weight', grid: { kind: 'ggml', type: 'F16' } },
        { match: 'model.layers.*', grid: 'float' },
      ],
    })
    const resolved = resolveTensors(graph({ isTied: true }), recipe)
    expect([...resolved.values()].map((tensor) => tensor.label)).toEqual(['float', 'float', 'float', 'F16', 'float'])
  })

  it('takes only * as special in a glob', () => {
    expect(globPattern('a.b*').test('a.bc')).toBe(true)
    expect(globPattern('a.b*').test('aXbc')).toBe(false)
    expect(globPattern('(x)+').test('(x)+')).toBe(true)
  })

  it('counts bits with scales, zero points and row padding', () => {
    const shape = { rows: 2, columns: 40 }
    expect(encodedBits(shape, { encoding: 'affine', bits: 4, isSymmetric: false, group: 32 })).toBe(2 * 160 + 4 * 20)
    expect(encodedBits(shape, { encoding: 'affine', bits: 3, isSymmetric: true, group: 'row' })).toBe(2 * 120 + 2 * 16)
    expect(encodedBits({ rows: 3, columns: 3 }, { encoding: 'affine', bits: 3, isSymmetric: true, group: 'tensor' })).toBe(3 * 16 + 16)
    expect(encodedBits({ rows: 2, columns: 64 }, { encoding: 'ggml', type: 'Q4_0' })).toBe(2 * 2 * 18 * 8)
  })
})

describe('presets', () => {
  it('name each recipe by its file and every set names presets', () => {
    const ids = presets.map((preset) => preset.recipe.id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const set of presetSets) expect(ids).toEqual(expect.arrayContaining([...set.recipeIds]))
    expect(presetSets[0]?.id).toBe('first-look')
  })

  it('are found by their names, also by those that follow no pattern', () => {
    for (const { recipe } of presets) expect(findRecipe(` ${recipe.id}\n`)).toBe(recipe)
    expect(() => parseRecipe('int8-everywhere')).toThrow('There is no recipe')
    expect(findRecipe('gptq-5bit-g48')).toEqual(parseRecipe('gptq-5bit-g48'))
    expect(() => findRecipe('int8-nowhere')).toThrow('There is no recipe')
  })
})
