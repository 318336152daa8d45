import { describe, expect, it } from 'vitest'
import type { LayerRisk, RiskCheck } from '../../../rpc/contract.ts'
import { result } from '../../../testing/compare-fixtures.ts'
import { riskSummary, risksOf } from './risk-text.ts'

const { recipe } = result('nearest-4bit-g128', 0)
const one = (role: string, change: Partial<LayerRisk> = {}): LayerRisk => ({
  name: `model.layers.0.mlp.${role}_proj.weight`,
  block: 0,
  role,
  relativeError: 0.08,
  outlierRatio: 1.5,
  loudestChannel: 3,
  ...change,
})
const check = (change: Partial<RiskCheck> = {}): RiskCheck => ({
  recipeId: recipe.id,
  linears: 28,
  layers: [one('up'), one('gate'), one('down')],
  remedies: [],
  transforms: [],
  ...change,
})

describe('the risk check in words', () => {
  it('is silent where nothing stands out', () => {
    expect(risksOf(check(), recipe)).toEqual([])
    expect(riskSummary(check())).toBe('Some rows of 3 of 28 matrices were looked at; rounding to nearest loses 8.0 % of the median one.')
  })

  it('offers the setting that loses least, with its price', () => {
    const clipped = { ...recipe, id: 'nearest-4bit-g128-mse' }
    const free = { label: 'Clip the range', recipe: clipped, errorRatio: 0.85, extraBits: 0 }
    expect(risksOf(check({ remedies: [free] }), recipe)[0]).toMatchObject({
      key: 'range',
      remedy: { label: 'Clip the range', recipe: clipped },
    })
    const [priced] = risksOf(check({ remedies: [{ ...free, label: 'Groups of 32', extraBits: 0.5 }] }), recipe)
    expect(priced?.remedy?.label).toBe('Groups of 32, +0.50 bit')
    const better = { ...free, label: 'Groups of 32', errorRatio: 0.6, extraBits: 0.5 }
    expect(risksOf(check({ remedies: [better, free] }), recipe)[0]?.remedy?.label).toBe('Clip the range')
    expect(risksOf(check({ remedies: [{ ...free, errorRatio: 0.97 }] }), recipe)).toEqual([])
  })

  it('names loud channels, with a transform where there is one', () => {
    const layers = [one('up'), one('gate'), one('down', { outlierRatio: 21 })]
    const [alone] = risksOf(check({ layers }), recipe)
    expect(alone).toMatchObject({ key: 'channels', title: 'One matrix has input channels far louder than the rest', remedy: null })
    expect(alone?.text).toContain('layers.0.mlp.down_proj channel 3 reaches 21 times the median')
    const [helped] = risksOf(check({ layers, transforms: [{ title: 'Scales', recipe }] }), recipe)
    expect(helped?.remedy?.label).toBe('Scales first')
  })

  it('names the matrices that will lose most and keeps them in a copy', () => {
    const [found] = risksOf(check({ layers: [one('up'), one('gate'), one('down', { relativeError: 0.2 })] }), recipe)
    expect(found).toMatchObject({ key: 'losers', title: 'One matrix will lose most' })
    expect(found?.remedy?.recipe.overrides).toEqual([{ match: 'model.layers.0.mlp.down_proj.weight', grid: 'float' }])
    expect(recipe.overrides).toEqual([])
  })
})
