import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { familyFor } from '../../models/registry.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { parseRecipe, validateRecipe } from '../parse-recipe.ts'
import { encodings, grids, roundings, transforms } from '../registry.ts'
import { resolveTensors } from '../resolve.ts'
import type { TapInputs } from '../transform.ts'
import { prune } from './mask.ts'
import { magnitudes, prunedNames } from './pruned-block.ts'

const kernels = createReferenceKernels()
const matrixOf = (rows: number, columns: number, seed = 1): Matrix => ({
  rows,
  columns,
  data: Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 12.9898 + seed) * (1 + (i % 7))),
})
const zerosOf = (values: Float32Array): number => values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0)

describe('prune', () => {
  it('zeroes exactly the share that was asked for, the least scores first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 5, max: 95 }),
        fc.constantFrom<'matrix' | 'row'>('matrix', 'row'),
        (rows, columns, sparsity, span) => {
          const weight = matrixOf(rows, columns, sparsity)
          const scores = magnitudes(weight)
          const pruned = prune(weight, scores, { sparsity }, span)
          const width = span === 'row' ? columns : rows * columns
          for (let start = 0; start < pruned.length; start += width) {
            const part = pruned.slice(start, start + width)
            expect(zerosOf(part)).toBe(Math.floor((width * sparsity) / 100))
            const dropped = scores.slice(start, start + width).filter((_, i) => part[i] === 0)
            const kept = scores.slice(start, start + width).filter((_, i) => part[i] !== 0)
            if (dropped.length > 0 && kept.length > 0) expect(Math.max(...dropped)).toBeLessThanOrEqual(Math.min(...kept))
          }
          expect(pruned.every((value, i) => value === 0 || value === weight.data[i])).toBe(true)
        },
      ),
    )
  })

  it('takes the first of equal scores, and leaves the weights it was given alone', () => {
    const weight: Matrix = { rows: 1, columns: 6, data: Float32Array.of(2, 1, 1, 1, -1, 3) }
    expect([...prune(weight, magnitudes(weight), { sparsity: 50 }, 'matrix')]).toEqual([2, 0, 0, 0, -1, 3])
    expect([...weight.data]).toEqual([2, 1, 1, 1, -1, 3])
    expect([...prune(weight, magnitudes(weight), { sparsity: 10 }, 'matrix')]).toEqual([2, 1, 1, 1, -1, 3])
  })

  it('keeps two of every four neighbours, and half of a rest', () => {
    const weight = matrixOf(5, 23)
    const pruned = prune(weight, magnitudes(weight), { sparsity: '2:4' }, 'row')
    for (let row = 0; row < 5; row++) {
      for (let column = 0; column < 23; column += 4) {
        const width = Math.min(4, 23 - column)
        expect(zerosOf(pruned.slice(row * 23 + column, row * 23 + column + width))).toBe(Math.floor(width / 2))
      }
    }
    const one: Matrix = { rows: 1, columns: 4, data: Float32Array.of(-4, 1, 3, -2) }
    expect([...prune(one, magnitudes(one), { sparsity: '2:4' }, 'row')]).toEqual([-4, 0, 3, 0])
  })
})

const graph = familyFor(tinyLlamaConfig()).describe(tinyLlamaConfig())
const block = graph.blocks[0]
if (block === undefined) throw new TypeError('the test model has no block')
const tensors = Object.fromEntries(
  block.linears.map(({ role, outFeatures, inFeatures }, seed) => [role, Float32Array.from(matrixOf(outFeatures, inFeatures, seed).data)]),
)
const inputsOf = (meanSquare: (column: number) => number): ReadonlyMap<string, TapInputs> =>
  new Map(
    block.linears.map(({ tap, inFeatures: columns }) => [
      tap,
      {
        tokens: 8,
        meanSquare: Float32Array.from({ length: columns }, (_, column) => meanSquare(column)),
        gram: new Float32Array(columns * columns),
        meanMagnitude: new Float32Array(columns),
        largest: new Float32Array(columns),
        sample: { rows: 1, columns, data: new Float32Array(columns) },
      },
    ]),
  )

describe('pruned blocks', () => {
  const run = (id: string, inputs: ReadonlyMap<string, TapInputs>) => {
    const { transform: choice } = parseRecipe(id)
    const transform = transforms.get(choice.kind)
    return transform.apply(block, tensors, { settings: transform.parse(choice), inputs, grids: new Map(), config: graph.config, kernels })
  }

  it('lose the smallest weights of every matrix', async () => {
    const made = await run('prune50-8bit-channel-sym', new Map())
    const { tensors: pruned } = made
    for (const { role, outFeatures, inFeatures } of block.linears) {
      expect(zerosOf(pruned[role] ?? new Float32Array()), role).toBe((outFeatures * inFeatures) / 2)
      expect(pruned[role]).toEqual(
        prune(
          { rows: outFeatures, columns: inFeatures, data: tensors[role] ?? new Float32Array() },
          (tensors[role] ?? new Float32Array()).map(Math.abs),
          { sparsity: 50 },
          'matrix',
        ),
      )
    }
    const some = Float32Array.of(1)
    expect(made.restore('q', some)).toBe(some)
    expect(prunedNames(block)).toHaveLength(7)
  })

  it('lose what |w| * |x| calls least in every row', async () => {
    // Column 3 is loud: its weights stay, however small.
    const { tensors: pruned, findings } = await run(
      'wanda50-4bit-g32',
      inputsOf((column) => (column === 3 ? 1e12 : 1 + column)),
    )
    const q = pruned['q'] ?? new Float32Array()
    const original = tensors['q'] ?? new Float32Array()
    for (let row = 0; row < 64; row++) {
      const score = (column: number): number => Math.abs(original[row * 64 + column] ?? 0) * Math.sqrt(column === 3 ? 1e12 : 1 + column)
      const order = Array.from({ length: 64 }, (_, column) => column).sort((a, b) => score(a) - score(b))
      expect(new Set(order.slice(0, 32))).toEqual(new Set(order.filter((column) => q[row * 64 + column] === 0)))
      expect(q[row * 64 + 3]).not.toBe(0)
    }
    expect(findings.size).toBe(0)
  })

  it('go by magnitude where inputs say nothing, and say so', async () => {
    const { tensors: pruned, findings } = await run(
      'wanda2of4-4bit-g32',
      inputsOf(() => 0),
    )
    expect(findings.get('q')?.[0]).toMatchObject({ tried: 'The linear was pruned by magnitude.' })
    expect(zerosOf(pruned['q'] ?? new Float32Array())).toBe(64 * 32)
    expect(zerosOf((await run('wanda50-4bit-g32', new Map())).tensors['q'] ?? new Float32Array())).toBe(64 * 32)
  })
})

describe('grids under pruned weights', () => {
  const labels = grids.members.flatMap((grid) => grid.exampleLabels.map((label) => ({ grid, label })))

  // Rows of 32 and 172 are no whole blocks of some types, which fall back to others.
  it.each([512, 172, 32])('keep every 0 where they say so, with importance and without, in rows of %i', async (columns) => {
    const shape = { rows: 4, columns }
    const weight = matrixOf(shape.rows, columns)
    const data = prune(weight, magnitudes(weight), { sparsity: '2:4' }, 'row')
    const kept: string[] = []
    for (const { grid, label } of labels) {
      const choice = grid.fromLabel(label)
      if (choice === null) continue
      const settings = grid.parse(choice)
      if (grid.keepsZero?.(settings) !== true) continue
      kept.push(label)
      for (const importance of [null, Float32Array.from({ length: columns }, (_, i) => 1 + (i % 5))]) {
        if (importance === null && grid.importanceUse(settings) === 'required') continue
        if (importance !== null && grid.importanceUse(settings) === 'ignored') continue
        const tensor = await grid.quantizeNearest('w', { ...shape, data }, { settings, importance, kernels })
        const values = await encodings.get(tensor.encoding).dequantize(tensor, kernels)
        expect(
          values.every((value, i) => data[i] !== 0 || value === 0),
          label,
        ).toBe(true)
      }
    }
    expect(kept).toEqual(
      expect.arrayContaining(['4bit-g32', '2bit-channel-sym-mse', 'Q4_0', 'Q3_K', 'TQ2_0', 'MXFP4', 'nf4', 'int8-rows', '1.58bit-g64']),
    )
    expect(kept).not.toEqual(expect.arrayContaining(['Q4_K']))
  })

  it('are refused where a 0 would not stay one', () => {
    expect(() => parseRecipe('prune50-1bit-g64')).toThrow(/1bit-g64 has no code that is exactly 0/)
    expect(() => parseRecipe('Q4_K+prune50')).toThrow(/Q4_K has no code that is exactly 0/)
    expect(() => parseRecipe('kmeans-3bit+wanda50')).toThrow(/no code that is exactly 0/)
    const recipe = validateRecipe({ ...parseRecipe('Q4_0+prune50'), overrides: [{ match: '*', grid: { kind: 'ggml', type: 'Q4_K' } }] })
    const resolved = resolveTensors(graph, recipe)
    expect(resolved.get('model.layers.0.mlp.up_proj.weight')?.refusal).toMatch(/no code that is exactly 0/)
    expect(resolved.get('model.embed_tokens.weight')?.refusal).toBeNull()
  })

  it('are refused under error feedback', () => {
    for (const id of ['prune50+gptq-4bit-g32', 'wanda50+learned-4bit-g32'])
      expect(() => parseRecipe(id)).toThrow(/moves what one weight loses to the weights after it/)
    expect(roundings.members.filter(({ needsActivations }) => needsActivations === 'own')).toHaveLength(2)
    expect(parseRecipe('Q4_0+wanda50+imatrix')).toMatchObject({
      transform: { kind: 'wanda', sparsity: 50 },
      rounding: { kind: 'weighted' },
    })
  })
})

describe('ids of pruned recipes', () => {
  it.each([
    ['prune50-4bit-g32', { transform: { kind: 'prune', sparsity: 50 } }],
    ['prune2of4-8bit-channel-sym', { transform: { kind: 'prune', sparsity: '2:4' }, grid: { bits: 8, symmetric: true } }],
    ['wanda60-4bit-g32-sym', { transform: { kind: 'wanda', sparsity: 60 } }],
    ['Q8_0+wanda2of4', { transform: { kind: 'wanda', sparsity: '2:4' }, grid: { type: 'Q8_0' } }],
  ])('%s', (id, parts) => {
    const recipe = parseRecipe(id)
    expect(recipe).toMatchObject({ id, ...parts })
    const transform = transforms.get(recipe.transform.kind)
    expect(transform.fromLabel(transform.label(transform.parse(recipe.transform)))).toEqual(recipe.transform)
  })

  it.each(['prune', 'prune3', 'prune99', 'prune50x', 'wanda4of8'])('%s is none', (label) => {
    expect([transforms.get('prune').fromLabel(label), transforms.get('wanda').fromLabel(label)]).toEqual([null, null])
  })

  it('settings out of range are refused by name', () => {
    expect(() => transforms.get('prune').parse({ kind: 'prune', sparsity: 99 })).toThrow(/sparsity of pruning is not possible/)
    expect(transforms.get('wanda').parse({ kind: 'wanda' })).toMatchObject({ sparsity: 50 })
  })
})
