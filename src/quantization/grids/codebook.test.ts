import { describe, expect, it, test } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { faultOf } from '../../testing/fault-of.ts'
import { parseRecipe } from '../parse-recipe.ts'
import { grids } from '../registry.ts'
import codebook from './codebook.ts'
import log2 from './log2.ts'

const kernels = createReferenceKernels()

describe('labels', () => {
  test.each([
    ['nf4', { kind: 'codebook', book: 'nf4', block: 64, double: false }],
    ['fp4', { kind: 'codebook', book: 'fp4', block: 64, double: false }],
    ['nf4-double', { kind: 'codebook', book: 'nf4', block: 64, double: true }],
    ['fp4-double-b128', { kind: 'codebook', book: 'fp4', block: 128, double: true }],
    ['nf4-b32', { kind: 'codebook', book: 'nf4', block: 32, double: false }],
    ['nf4-b4096', { kind: 'codebook', book: 'nf4', block: 4096, double: false }],
    ['log2-4bit-g64', { kind: 'log2', group: 64 }],
    ['int8-rows', { kind: 'int8-rows', activations: 'float' }],
    ['llm-int8', { kind: 'int8-rows', activations: 'int8', threshold: 6 }],
    ['llm-int8-t4.5', { kind: 'int8-rows', activations: 'int8', threshold: 4.5 }],
  ])('%s is read and written', (id, choice) => {
    const { grid } = parseRecipe(id)
    expect(grid).toEqual(choice)
    const member = grids.get(grid.kind)
    expect(member.label(member.parse(grid))).toBe(id)
    expect(member.describe(member.parse(grid)).length).toBeGreaterThan(8)
  })

  it.each(['nf4-b48', 'nf4-b8192', 'nf3', 'log2-3bit-g64', 'log2-4bit-g48', 'llm-int8-t0'])('refuses %s', async (id) => {
    expect((await faultOf(async () => parseRecipe(id))).code).toBe('recipe-invalid')
  })

  it.each([
    ['{"id":"x","grid":{"kind":"codebook","book":"nf5"}}', 'book'],
    ['{"id":"x","grid":{"kind":"codebook","book":"nf4","block":48}}', 'block'],
    ['{"id":"x","grid":{"kind":"log2","group":16}}', 'group'],
    ['{"id":"x","grid":{"kind":"int8-rows","threshold":0.5}}', 'threshold'],
  ])('names the field of %s', async (json, field) => {
    expect((await faultOf(async () => parseRecipe(json))).message).toContain(`The ${field} of the`)
  })

  it('suggests only labels that exist', () => {
    for (const member of [codebook, log2]) for (const label of member.exampleLabels) expect(member.fromLabel(label)).not.toBeNull()
  })
})

describe('values', () => {
  it.each([
    ['nf4', 16],
    ['fp4', 15],
    ['log2-4bit-g64', 15],
    ['int8-rows', 255],
  ])('%s draws %i of them up to the limit', (id, count) => {
    const { grid } = parseRecipe(id)
    const member = grids.get(grid.kind)
    const values = member.values(2, member.parse(grid))
    expect(new Set(values).size).toBe(count)
    expect(Math.max(...values.map(Math.abs))).toBe(2)
  })

  it('rounds to the nearest power of two, in value', async () => {
    const data = new Float32Array(32)
    data.set([1, 0.76, 0.74, -0.38, 0.37, 2 ** -6, 0.6 * 2 ** -6, 0.4 * 2 ** -6])
    const { settings } = { settings: log2.parse({ kind: 'log2', group: 32 }) }
    const tensor = await log2.quantizeNearest('w', { data, rows: 1, columns: 32 }, { settings, kernels })
    const values = 'codeBook' in tensor ? await kernels.dequantizeCodeBook(tensor.codeBook) : new Float32Array(0)
    expect([...values.subarray(0, 8)]).toEqual([1, 1, 0.5, -0.5, 0.25, 2 ** -6, 2 ** -6, 0])
  })
})
