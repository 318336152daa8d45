import { expect, it, test } from 'vitest'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import ggml from './ggml.ts'

const kernels = createReferenceKernels()
const types = (Object.keys(ggmlTypes) as GgmlType[]).filter((type) => type !== 'F32')
const settingsOf = (type: string) => ggml.parse({ kind: 'ggml', type })

it('offers every type of the kernels with its explanation', () => {
  const offered = ggml.fields[0]?.options.map(({ value }) => value) ?? []
  expect(new Set(offered)).toEqual(new Set(types))
  for (const { label } of ggml.fields[0]?.options ?? []) expect(label).toMatch(/^\w+, .{10,}$/)
})

/** llama-quant.cpp: rows of 320 hold no block of 256, rows of 40 none of 32. */
test.each([
  ['Q2_K', 'Q4_0'],
  ['Q3_K', 'Q4_0'],
  ['TQ1_0', 'Q4_0'],
  ['TQ2_0', 'Q4_0'],
  ['Q4_K', 'Q5_0'],
  ['Q5_K', 'Q5_1'],
  ['Q6_K', 'Q8_0'],
  ['IQ4_XS', 'IQ4_NL'],
  ['IQ3_S', 'IQ4_NL'],
  ['IQ2_XXS', 'IQ4_NL'],
  ['IQ1_S', 'IQ4_NL'],
  ['MXFP4', 'MXFP4'],
  ['Q5_1', 'Q5_1'],
])('%s in rows of 320 is stored as %s, in rows of 40 as F16', (type, fallback) => {
  expect(ggml.encoding({ rows: 1, columns: 320 }, settingsOf(type))).toEqual({ encoding: 'ggml', type: fallback })
  expect(ggml.encoding({ rows: 1, columns: 40 }, settingsOf(type))).toEqual({ encoding: 'ggml', type: 'F16' })
  expect(ggml.encoding({ rows: 1, columns: 512 }, settingsOf(type))).toEqual({ encoding: 'ggml', type })
})

test.each([
  ['Q8_0', 255],
  ['Q6_K', 64],
  ['Q5_K', 32],
  ['Q5_0', 32],
  ['Q4_K', 16],
  ['Q4_0', 16],
  ['IQ4_XS', 16],
  ['MXFP4', 15],
  ['IQ3_S', 16],
  ['IQ3_XXS', 16],
  ['IQ2_XS', 6],
  ['IQ1_M', 6],
  ['Q3_K', 8],
  ['Q2_K', 4],
  ['TQ1_0', 3],
  ['F16', 0],
])('the chart draws %s with %i levels up to the limit', (type, count) => {
  const levels = ggml.values(2, settingsOf(type))
  expect(new Set(levels).size).toBe(count)
  if (count > 0) expect(Math.max(...levels.map(Math.abs))).toBe(2)
})

test.each(types)('%s is stored as its blocks', async (type) => {
  const columns = ggmlTypes[type].blockSize
  const weight = { data: new Float32Array(2 * columns).fill(0.5), rows: 2, columns }
  const importance = ggmlTypes[type].needsImportance === true ? new Float32Array(columns).fill(1) : null
  const tensor = await ggml.quantizeNearest('w', weight, { settings: settingsOf(type), importance, kernels })
  expect(tensor).toMatchObject({ name: 'w', rows: 2, columns, encoding: 'ggml', type })
  expect('blocks' in tensor && tensor.blocks.length).toBe(2 * ggmlTypes[type].blockBytes)
})

test.each([
  ['IQ2_XXS', 'required'],
  ['IQ2_XS', 'required'],
  ['IQ1_S', 'required'],
  ['IQ1_M', 'used'],
  ['IQ3_S', 'used'],
  ['Q8_0', 'ignored'],
])('importance is with %s %s', (type, use) => {
  expect(ggml.importanceUse(settingsOf(type))).toBe(use)
})
