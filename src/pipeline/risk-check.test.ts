import { expect, test } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { openTiny } from '../testing/tiny-run.ts'
import { riskCheck } from './risk-check.ts'

const kernels = createReferenceKernels()
const signal = new AbortController().signal

test('looks at the first, the middle and the last block, and measures gentler settings on the same rows', async () => {
  const { checkpoint } = await openTiny({ config: { num_hidden_layers: 5 } })
  const found = await riskCheck(parseRecipe('nearest-3bit-channel'), { checkpoint, kernels, signal })
  expect([...new Set(found.layers.map(({ block }) => block))]).toEqual([0, 2, 4])
  expect(found.linears).toBe(35)
  for (const { relativeError, outlierRatio } of found.layers) {
    expect(relativeError).toBeGreaterThan(0)
    expect(relativeError).toBeLessThan(1)
    expect(outlierRatio).toBeGreaterThanOrEqual(1)
  }
  expect(found.remedies.map(({ recipe }) => recipe.id).toSorted()).toEqual(['nearest-3bit-channel-mse', 'nearest-3bit-g32'])
  const clip = found.remedies.find(({ label }) => label === 'Clip the range')
  expect(clip?.errorRatio).toBeLessThanOrEqual(1)
  expect(clip?.extraBits).toBe(0)
})

test('says nothing of errors where a grid cannot be rounded without importance, and offers nothing where a grid has one way', async () => {
  const { checkpoint } = await openTiny({ config: { hidden_size: 256, intermediate_size: 256 } })
  const found = await riskCheck(parseRecipe('IQ2_XXS+imatrix'), { checkpoint, kernels, signal })
  expect(found.layers.every(({ relativeError }) => relativeError === null)).toBe(true)
  expect(found.remedies).toEqual([])
})

test('stops when asked', async () => {
  const { checkpoint } = await openTiny()
  const stopped = AbortSignal.abort()
  await expect(riskCheck(parseRecipe('Q8_0'), { checkpoint, kernels, signal: stopped })).rejects.toThrow()
})
