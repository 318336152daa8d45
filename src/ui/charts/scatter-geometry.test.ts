import { describe, expect, test } from 'vitest'
import { blockFromPointer, blockTicks } from './block-axis.ts'
import { budgetAfterKey, clampBudget } from './budget.ts'
import { layerSeries, rolesOf } from './layer-series.ts'
import { lossOf, lossText, lossTick, perplexityTick, type ScatterPoint, scatterGeometry, sizeTick, sizeUnit } from './scatter-geometry.ts'

const point = (id: string, megabytes: number, above: number, error: number): ScatterPoint => ({
  id,
  slot: 0,
  pin: null,
  bytes: megabytes * 1e6,
  perplexity: { value: 8 * (1 + above), error: 0.1 },
  above: { value: above, error },
  klDivergence: { value: above * 0.8, error: above * 0.05 },
  sameTopToken: { value: 1 - above, error: 0.002 },
})
const room = { width: 640, height: 330 }
const q8 = point('Q8_0', 1170, 0.0006, 0.0004)
const q4 = point('Q4_0', 669, 0.024, 0.0012)
const q3 = point('Q3', 560, 0.216, 0.006)

describe('size against perplexity', () => {
  const geometry = scatterGeometry([q8, q4, q3], 'perplexity', room)

  test('the band is two errors of what is the same as float, and nothing else lies in it', () => {
    expect(geometry.band).toBeCloseTo(0.08, 12)
    expect(geometry.points.map((one) => one.isSame)).toEqual([true, false, false])
    for (const one of geometry.points) expect(one.isSame).toBe(one.loss <= (geometry.band ?? 0))
  })

  test('every mark and both ends of its error bar are inside the plot', () => {
    for (const one of geometry.points) {
      expect(one.loss - one.below).toBeGreaterThanOrEqual(geometry.y[0])
      expect(one.loss + one.above).toBeLessThanOrEqual(geometry.y[1])
    }
  })

  test('a recipe at or below float sits on the bottom edge', () => {
    const better = scatterGeometry([point('better', 700, -0.01, 0.001), q4], 'perplexity', room)
    expect(better.points[0]?.loss).toBe(better.y[0])
    expect(better.points[0]?.isSame).toBe(false)
  })

  test('without anything the same as float the band is that of the surest recipe, below all points', () => {
    const apart = scatterGeometry([q4, q3], 'perplexity', room)
    expect(apart.band).toBeCloseTo(0.24, 12)
    const close = scatterGeometry([point('close', 600, 0.0025, 0.0012)], 'perplexity', room)
    expect(close.band).toBeLessThan(0.25)
  })

  test('works with one recipe and with exact ones', () => {
    const exact = scatterGeometry([point('exact', 600, 0, 0)], 'perplexity', room)
    expect(exact.y[0]).toBeGreaterThan(0)
    expect(exact.points[0]?.loss).toBe(exact.y[0])
    expect(exact.x[0]).toBeLessThan(exact.x[1])
  })
})

test('KL divergence is log without a band; same top token is linear from float at the bottom', () => {
  const kl = scatterGeometry([q8, q4], 'kl', room)
  expect([kl.isLog, kl.band]).toEqual([true, null])
  const top = scatterGeometry([q8, q4], 'same-top', room)
  expect([top.isLog, top.band, top.y[0]]).toEqual([false, null, 0])
  expect(lossOf(q4, 'same-top').value).toBeCloseTo(2.4, 10)
})

test('tick and readout texts', () => {
  expect(lossTick(0.3, 'perplexity', [0.1, 0.3, 1])).toBe('+0.3 %')
  expect(lossTick(2.5, 'same-top', [])).toBe('97.5 %')
  expect(lossTick(1e-5, 'kl', [])).toBe('0.000010')
  expect([0, 1, 30].map((tick) => perplexityTick(tick, 7.97, [1, 30]))).toEqual(['7.97', '8.05', '10.36'])
  expect([0, 0.1, 1].map((tick) => perplexityTick(tick, 7.97, [0.1, 1]))).toEqual(['7.970', '7.978', '8.050'])
  expect(sizeUnit([1e9, 20e9])).toEqual({ unit: 'GB', bytes: 1e9 })
  expect(sizeTick(2_500_000, [2e6, 2.5e6], 1e6)).toBe('2.5')
  expect(lossText(q8, 'perplexity')).toBe('same within error')
  expect(lossText(q4, 'perplexity')).toBe('+2.4 % ± 0.1')
})

describe('budget line', () => {
  const domain = [500e6, 1300e6] as const

  test('arrow keys move it by one percent, End takes it away', () => {
    expect(budgetAfterKey('ArrowLeft', 700e6, domain)).toBe(693e6)
    expect(budgetAfterKey('ArrowRight', 700e6, domain)).toBe(707e6)
    expect(budgetAfterKey('End', 700e6, domain)).toBeNull()
    expect(budgetAfterKey('x', 700e6, domain)).toBeUndefined()
  })

  test('from no budget the first step left begins at the right end', () => {
    expect(budgetAfterKey('ArrowLeft', null, domain)).toBe(1287e6)
  })

  test('past the right end there is no budget, past the left it stays at the end', () => {
    expect(clampBudget(1300e6, domain)).toBeNull()
    expect(clampBudget(1, domain)).toBe(500e6)
  })
})

describe('blocks', () => {
  test('every block has a tick where there is room, else every second, fourth …', () => {
    expect(blockTicks(4, 400)).toEqual([0, 1, 2, 3])
    expect(blockTicks(22, 300)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
    expect(blockTicks(80, 200).length).toBeLessThanOrEqual(7)
  })

  test('a pointer finds the nearest column and stays inside', () => {
    const columns = { first: 10, step: 20, blocks: 5 }
    expect([-50, 19, 21, 400].map((x) => blockFromPointer(x, columns))).toEqual([0, 0, 1, 4])
  })

  test('lines hold a value for measured blocks and null for others; a role picks one linear', () => {
    const layer = (role: string, outputError: number) => ({
      name: `b.0.${role}`,
      block: 0,
      role,
      grid: 'Q4_0',
      mse: 0,
      relativeError: 0,
      sqnrDb: 0,
      cosine: 1,
      outputError,
      bitsPerWeight: 4.5,
    })
    const cells = { a: { 0: { layers: [layer('q', 0.01), layer('k', 0.03)] } } }
    const recipes = [{ id: 'a', slot: 0, pin: null } as const]
    expect(rolesOf(cells)).toEqual(['q', 'k'])
    expect(layerSeries(recipes, cells, { blocks: 2, role: 'all' })[0]?.values).toEqual([0.02, null])
    expect(layerSeries(recipes, cells, { blocks: 1, role: 'k' })[0]?.values).toEqual([0.03])
    expect(layerSeries(recipes, cells, { blocks: 1, role: 'none' })[0]?.values).toEqual([null])
  })
})
