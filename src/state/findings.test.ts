import { describe, expect, test } from 'vitest'
import type { Finding } from '../core/finding.ts'
import { layer } from '../testing/compare-fixtures.ts'
import { findingGroups, findingText, findingTitle, moreWindows } from './findings.ts'

const damped: Finding = {
  cause: 'Column 3 is undetermined.',
  tried: 'Damping was raised to 0.1, which worked.',
  remedy: 'More text.',
  wantsText: true,
}
const nearest: Finding = { cause: 'Inputs are 0.', tried: 'The matrix was rounded to nearest.', remedy: 'Other text.', isFallback: true }

describe('what went otherwise', () => {
  const layers = [
    { ...layer(0, 'up', 0.1), findings: [damped] },
    { ...layer(1, 'up', 0.1), findings: [{ ...damped, cause: 'Column 9 is undetermined.' }] },
    { ...layer(1, 'down', 0.1), findings: [nearest] },
    layer(2, 'up', 0.1),
  ]

  test('is one group a sort, fallbacks first, with the layers it was in', () => {
    const groups = findingGroups(layers)
    expect(groups.map((group) => group.layers.length)).toEqual([1, 2])
    expect(groups.map((group) => findingTitle('gptq-4bit', group))).toEqual([
      'gptq-4bit fell back in 1 layer',
      'gptq-4bit needed a workaround in 2 layers',
    ])
    expect(groups.map((group) => group.wantsText)).toEqual([false, true])
    expect(groups[1] === undefined ? '' : findingText(groups[1])).toBe(
      'layers.0.mlp.up_proj: Column 3 is undetermined. Damping was raised to 0.1, which worked. The same in 1 more. More text.',
    )
  })

  test('is nothing where all went as asked', () => {
    expect(findingGroups([layer(2, 'up', 0.1)])).toEqual([])
    expect(moreWindows(32, 256)).toEqual({ windows: 256, tokens: 65_536 })
  })
})
