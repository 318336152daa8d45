import { describe, expect, it } from 'vitest'
import type { LayerResult } from '../evaluation/result.ts'
import type { RunEvent } from '../pipeline/events.ts'
import { foldRunEvent, initialRunState, type RunState } from './run-store.ts'

const layer = (block: number, outputError: number | null): LayerResult => ({
  name: `layers.${block}.q`,
  block,
  role: 'q',
  grid: '4bit-g32',
  mse: 0,
  relativeError: 0,
  sqnrDb: 20,
  cosine: 1,
  outputError,
  bitsPerWeight: 5,
})
const fold = (events: readonly RunEvent[], from: RunState = initialRunState): RunState => events.reduce(foldRunEvent, from)
const progress = (block: number, elapsedSeconds: number): RunEvent => ({
  kind: 'progress',
  block,
  blocks: 4,
  phase: 'quantizing',
  recipeId: 'a',
  elapsedSeconds,
  remainingSeconds: null,
  rates: { weightsPerSecond: null, tokensPerSecond: null, gflops: null },
  memoryBytes: null,
})

describe('a run folded from its events', () => {
  it('keeps the cells of every recipe and block, with the mean output error', () => {
    const state = fold([
      { kind: 'started', planHash: 'abcdef0123', blocks: 4, resumedBlocks: 0 },
      { kind: 'layers', recipeId: 'a', block: 0, layers: [layer(0, 0.1), layer(0, 0.3)] },
      { kind: 'layers', recipeId: 'b', block: 0, layers: [layer(0, 0.5)] },
      { kind: 'block-stored', block: 0 },
      { kind: 'layers', recipeId: 'a', block: 1, layers: [layer(1, 0.2)] },
    ])
    expect(state.cells['a']?.[0]?.outputError).toBeCloseTo(0.2, 12)
    expect(state.cells['b']?.[0]?.outputError).toBe(0.5)
    expect(state.cells['a']?.[1]?.outputError).toBe(0.2)
    expect(state.storedBlocks).toBe(1)
    expect(state.blocks).toBe(4)
  })

  it('knows no output error where nothing ran through the model', () => {
    const state = fold([{ kind: 'layers', recipeId: 'a', block: 0, layers: [layer(0, null), layer(0, null)] }])
    expect(state.cells['a']?.[0]).toMatchObject({ outputError: null })
    expect(state.cells['a']?.[0]?.layers).toHaveLength(2)
  })

  it('takes blocks of a stopped run as stored', () => {
    const state = fold([{ kind: 'started', planHash: 'abcdef0123', blocks: 4, resumedBlocks: 3 }])
    expect(state.storedBlocks).toBe(3)
    expect(state.messages[0]?.text).toBe('Seed 0, plan abcdef01, 3 blocks kept from before')
    expect(fold([{ kind: 'block-stored', block: 0 }], state).storedBlocks).toBe(3)
  })

  it('stamps messages with the time of the run, newest first, and keeps warnings apart', () => {
    const state = fold([
      progress(1, 12),
      { kind: 'notice', severity: 'note', text: 'first' },
      progress(1, 14),
      { kind: 'notice', severity: 'warning', text: 'second' },
    ])
    expect(state.messages).toEqual([
      { at: 14, severity: 'warning', text: 'second' },
      { at: 12, severity: 'note', text: 'first' },
    ])
    expect(state.warnings).toEqual(['second'])
  })

  it('does not grow without end', () => {
    const many = Array.from({ length: 500 }, (_, index): RunEvent => ({ kind: 'notice', severity: 'note', text: String(index) }))
    const { messages } = fold(many)
    expect(messages).toHaveLength(200)
    expect(messages[0]?.text).toBe('499')
  })
})
