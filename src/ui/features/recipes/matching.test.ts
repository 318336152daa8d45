import { describe, expect, it } from 'vitest'
import { globToRegExp, hits } from './matching.ts'

describe('override matching', () => {
  const names = ['model.layers.0.mlp.down_proj.weight', 'model.layers.10.mlp.down_proj.weight', 'model.layers.0.mlp.up_proj.weight']

  it('takes everything but the star literally', () => {
    expect(globToRegExp('model.layers.*').test('model.layers.0')).toBe(true)
    expect(globToRegExp('model.layers.*').test('modelxlayers.0')).toBe(false)
    expect(globToRegExp('down').test('model.down')).toBe(false)
    expect(globToRegExp('a+(b)').test('a+(b)')).toBe(true)
  })

  it('gives a tensor to the first override that matches', () => {
    expect(hits('*down*', [], names)).toHaveLength(2)
    expect(hits('*down*', ['model.layers.0.*'], names)).toEqual(['model.layers.10.mlp.down_proj.weight'])
    expect(hits('*nothing*', [], names)).toEqual([])
  })
})
