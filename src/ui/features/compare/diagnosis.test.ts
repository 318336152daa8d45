import { describe, expect, test } from 'vitest'
import { layer, reportOf, result } from '../../../testing/compare-fixtures.ts'
import { diagnose, layersInWords, loudLayers } from './diagnosis.ts'
import { blockPattern, widerGrid, withOverrides } from './edited-copy.ts'

const roles = ['gate', 'up', 'down'] as const
const quiet = Array.from({ length: 12 }, (_, block) => roles.map((role) => layer(block, role, 0.002))).flat()
const loud = quiet.map((one) => (one.block === 0 && one.role !== 'down' ? { ...one, outputError: 0.02 } : one))
const tensors = [
  ...quiet.map(({ name, block }) => ({ name, block, shape: [1024, 1024], isQuantizable: true })),
  { name: 'model.embed_tokens.weight', block: -1, shape: [32_000, 2048], isQuantizable: true },
]
const far = { bytes: 900e6, above: 0.001, kl: 0.001 }

function found(
  a: ReturnType<typeof result>,
  b: ReturnType<typeof result> | null,
  others: readonly ReturnType<typeof result>[] = [],
  tokens = 20_480,
) {
  const results = [a, ...(b === null ? [] : [b]), ...others]
  return diagnose({ report: reportOf(results, tokens), results, a, b, tensors })
}

describe('few layers make most of the error', () => {
  test('finds those far above the median and says which, by how much and what keeping them wider costs', () => {
    const [card] = found(result('A', 0, { layers: loud }), null)
    expect(card?.title).toBe('Two tensors make 37 % of A’s error')
    expect(card?.text).toBe('The output error of gate and up of block 0 is at least 10 times the median of A.')
    expect(card?.block).toBe(0)
    // Two matrices of 1024 x 1024 at two bits more.
    expect(card?.remedy).toMatchObject({ kind: 'copy', label: 'Keep both at 6 bit, +524 kB' })
  })

  test('the remedy is a copy with overrides; the recipe itself is not changed', () => {
    const a = result('A', 0, { layers: loud })
    const [card] = found(a, null)
    expect(card?.remedy?.kind === 'copy' ? card.remedy.recipe.overrides : null).toEqual([
      { match: 'model.layers.0.mlp.gate_proj.weight', grid: { kind: 'affine', bits: 6, group: 32 } },
      { match: 'model.layers.0.mlp.up_proj.weight', grid: { kind: 'affine', bits: 6, group: 32 } },
    ])
    expect(a.recipe.overrides).toEqual([])
  })

  test('even errors give no card', () => {
    expect(loudLayers(quiet).layers).toEqual([])
    expect(found(result('A', 0, { layers: quiet }), null)).toEqual([])
  })

  test('one far louder layer is named alone, although the next is above the median too', () => {
    const one = quiet.map((item, index) =>
      index === 4 ? { ...item, outputError: 0.2 } : index === 7 ? { ...item, outputError: 0.01 } : item,
    )
    expect(loudLayers(one).layers.map((item) => item.name)).toEqual(['model.layers.1.mlp.up_proj.weight'])
  })

  test('words for layers', () => {
    expect(layersInWords([layer(3, 'down', 1), layer(7, 'q', 1)])).toBe('down of block 3 and q of block 7')
    expect(layersInWords([layer(0, 'q', 1), layer(0, 'k', 1), layer(0, 'v', 1)])).toBe('q, k and v of block 0')
  })
})

describe('wider grids', () => {
  test('two bits more where the grid says its bits, none above eight', () => {
    expect(widerGrid(result('a', 0, { grid: { kind: 'affine', bits: 7, group: 32 } }).report, [])?.label).toBe('8 bit')
    expect(widerGrid(result('a', 0, { grid: { kind: 'affine', bits: 8, group: 32 } }).report, [])).toBeNull()
  })

  test('otherwise the grid of the next wider recipe of that kind in the run', () => {
    const q4 = result('Q4_0', 0, { grid: { kind: 'ggml', type: 'Q4_0' }, blockBits: 4.5 }).report
    const q8 = result('Q8_0', 1, { grid: { kind: 'ggml', type: 'Q8_0' }, blockBits: 8.5 }).report
    expect(widerGrid(q4, [q4, q8])).toEqual({ grid: { kind: 'ggml', type: 'Q8_0' }, label: 'Q8_0', extraBits: 4 })
    expect(widerGrid(q8, [q4, q8])).toBeNull()
  })

  test('new overrides go in front, replacing those of the same pattern', () => {
    const grid = { kind: 'affine', bits: 8 }
    const once = withOverrides(result('a', 0).recipe, ['x.*'], { kind: 'affine', bits: 6 })
    const twice = withOverrides(withOverrides(once, ['y.*'], grid), ['x.*'], grid)
    expect(twice.overrides).toEqual([
      { match: 'x.*', grid },
      { match: 'y.*', grid },
    ])
  })

  test('a block is matched by its number, with the dot behind it', () => {
    expect(blockPattern(['model.layers.1.mlp.up_proj.weight', 'model.layers.1.self_attn.q_proj.weight'])).toBe('model.layers.1.*')
    expect(blockPattern(['model.layers.1.mlp.up_proj.weight'])).toBe('model.layers.1.*')
    expect(blockPattern([])).toBeNull()
  })
})

test('a recipe beaten on size and divergence by one that is not pinned is named, with the better one as remedy', () => {
  const a = result('A', 0, far)
  const b = result('B', 1, { bytes: 700e6, above: 0.03 })
  const better = result('C', 2, { bytes: 690e6, above: 0.01 })
  const card = found(a, b, [better]).find((one) => one.key.startsWith('dominated'))
  expect(card).toMatchObject({
    title: 'B is beaten on both counts',
    text: 'C is 10.0 MB smaller and diverges 67 % less from float than B.',
    remedy: { kind: 'pin', pin: 'b', id: 'C' },
  })
  expect(found(better, b).some((one) => one.key.startsWith('dominated'))).toBe(false)
})

describe('too few tokens', () => {
  test('says how many would tell A from B: the error falls with the root of the tokens', () => {
    const a = result('A', 0, { above: 0.01, error: 0.003 })
    const b = result('B', 1, { above: 0.014, error: 0.004 })
    const card = found(a, b, [], 10_000).find((one) => one.key === 'too-few-tokens')
    // 10,000 x (3 x 0.5 / 0.4)^2, rounded up to a thousand.
    expect(card?.remedy).toEqual({ kind: 'measure', label: 'Measure 141,000 tokens', tokens: 141_000 })
    expect(card?.text).toBe('They differ by 0.40 points of perplexity, with an error of 0.50, on 10,000 tokens.')
  })

  test('offers nothing where no text would be long enough, and is silent when they can be told apart', () => {
    const a = result('A', 0, { above: 0.01, error: 0.003 })
    const same = result('B', 1, { above: 0.010001, error: 0.003 })
    expect(found(a, same).find((one) => one.key === 'too-few-tokens')?.remedy).toBeNull()
    expect(found(a, result('B', 1, { above: 0.1 })).some((one) => one.key === 'too-few-tokens')).toBe(false)
  })
})

test('an embedding that is a large part of the file is named with what quantizing it saves', () => {
  const card = found(result('A', 0, { bytes: 400e6 }), null)[0]
  expect(card?.title).toBe('The embedding is 33 % of A’s file')
  // 32,000 x 2,048 weights from 16 to 4.5 bits.
  expect(card?.remedy).toMatchObject({ kind: 'copy', label: 'Quantize it, −94.2 MB', recipe: { embedding: 'grid', head: 'grid' } })
  expect(found(result('A', 0, { bytes: 900e6 }), null)).toEqual([])
})

test('overlap of calibration and evaluation text is a card from one percent on', () => {
  const a = result('A', 0, { layers: quiet })
  const cards = (sharedWithEvaluation: number) => {
    const covered = { distinctTokens: 900, vocabulary: 1024, usesChatTemplate: false, sharedWithEvaluation }
    const calibration = { textName: 'Stories', windows: 32, contextLength: 256, tokens: 8192, ...covered }
    return diagnose({ report: { ...reportOf([a]), calibration }, results: [a], a, b: null, tensors }).map(({ title }) => title)
  }
  expect(cards(0.2)).toEqual(['Calibration and evaluation text overlap'])
  expect(cards(0.002)).toEqual([])
})

describe('what a method could not do as asked', () => {
  const finding = {
    cause: 'Inputs are copies.',
    tried: 'The matrix was rounded to nearest.',
    remedy: 'More text.',
    isFallback: true,
    wantsText: true,
  }
  const fallen = quiet.map((one) => (one.block === 3 && one.role === 'down' ? { ...one, findings: [finding] } : one))

  test('is the first card, with more text as its remedy where there was a text', () => {
    const a = result('gptq-4bit', 0, { layers: fallen })
    const covered = { distinctTokens: 900, vocabulary: 1024, usesChatTemplate: false, sharedWithEvaluation: 0 }
    const calibration = { textName: 'Stories', windows: 32, contextLength: 256, tokens: 8192, ...covered }
    const report = { ...reportOf([a]), calibration }
    const [card] = diagnose({ report, results: [a], a, b: null, tensors })
    expect(card?.title).toBe('gptq-4bit fell back in 1 layer')
    expect(card?.block).toBe(3)
    expect(card?.remedy).toEqual({ kind: 'calibrate', label: 'Calibrate on 256 windows', tokens: 65_536 })
    expect(found(a, null)[0]?.remedy).toBeNull()
  })
})
