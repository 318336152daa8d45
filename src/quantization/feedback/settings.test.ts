import { expect, test } from 'vitest'
import { parseRecipe, summarize } from '../parse-recipe.ts'
import { columnOrder, groupsOfPositions } from './column-order.ts'
import { feedbackFromLabel, feedbackLabel, parseFeedback } from './settings.ts'

test.each([
  ['gptq-4bit-g128', { kind: 'affine', bits: 4, group: 128, symmetric: false }, { kind: 'gptq' }],
  ['gptq-3bit-g64-sym-actorder', { kind: 'affine', bits: 3, group: 64, symmetric: true }, { kind: 'gptq', order: 'act-order' }],
  [
    'gptq-4bit-channel-gar-static',
    { kind: 'affine', bits: 4, group: 'channel', symmetric: false },
    { kind: 'gptq', order: 'group-aware', staticGroups: true },
  ],
  [
    'gptq-3bit-g64-sym-actorder-cross',
    { kind: 'affine', bits: 3, group: 64, symmetric: true },
    { kind: 'gptq', order: 'act-order', crossTerm: true },
  ],
  ['Q4_K+gptq-cross', { kind: 'ggml', type: 'Q4_K' }, { kind: 'gptq', crossTerm: true }],
  ['Q4_K+gptq', { kind: 'ggml', type: 'Q4_K' }, { kind: 'gptq' }],
  ['MXFP4+gptq-actorder', { kind: 'ggml', type: 'MXFP4' }, { kind: 'gptq', order: 'act-order' }],
])('%s', (id, grid, rounding) => {
  expect(parseRecipe(id)).toMatchObject({ id, grid, rounding })
})

test('a mix with error feedback keeps its allocation', () => {
  const { allocation, rounding } = parseRecipe('Q4_K_M+gptq')
  expect(allocation).toEqual(parseRecipe('Q4_K_M').allocation)
  expect(rounding).toEqual({ kind: 'gptq' })
  expect(summarize(parseRecipe('gptq-4bit-g128-gar'))).toContain('gptq-gar')
})

test.each(['F16+gptq', 'TQ1_0+gptq'])('%s is refused: nothing of it could be calibrated', (id) => {
  expect(() => parseRecipe(id)).toThrow('has no scales that could be kept')
})

test('labels are read as they are written', () => {
  for (const order of ['columns', 'act-order', 'group-aware'] as const) {
    for (const scales of ['on the way', 'before'] as const) {
      for (const hasCrossTerm of [false, true]) {
        const choice = feedbackFromLabel(feedbackLabel({ order, scales, hasCrossTerm }))
        expect(choice === null ? null : parseFeedback(choice)).toMatchObject({ order, scales, hasCrossTerm })
      }
    }
  }
  expect(feedbackFromLabel('gptq-sideways')).toBeNull()
})

test.each([{ damping: 2 }, { damping: -0.1 }, { order: 'random' }, { block: 100 }, { speed: 9 }, { crossTerm: 1 }])(
  '%j is refused by name',
  (setting) => {
    expect(() => parseFeedback({ kind: 'gptq', ...setting })).toThrow(Object.keys(setting)[0])
  },
)

test('orders: the most used first, or so within groups that stay together', () => {
  const use = Float64Array.of(1, 5, 2, 2, 9, 0, 7)
  expect(columnOrder(use, 'columns', 3)).toBeNull()
  expect([...(columnOrder(use, 'act-order', 3) ?? [])]).toEqual([4, 6, 1, 2, 3, 0, 5])
  const order = columnOrder(use, 'group-aware', 3)
  expect([...(order ?? [])]).toEqual([4, 3, 5, 6, 1, 2, 0])
  const { groups, groupOf } = groupsOfPositions(7, order, 3)
  expect(groups).toBe(3)
  expect([...groupOf]).toEqual([1, 1, 1, 2, 0, 0, 0])
})
