import { describe, expect, it } from 'vitest'
import { createRandom } from '../core/random.ts'
import { distinctTokens, sharedRuns } from './coverage.ts'

/** Runs of 32 tokens. */
const options = { bos: 1, tokenCharacters: 5 }

function noise(length: number, seed: number): Int32Array<ArrayBuffer> {
  const random = createRandom(seed)
  return Int32Array.from({ length }, () => 2 + Math.floor(random.next() * 500))
}

function windowsOf(ids: Int32Array, fresh: number): Int32Array[] {
  return Array.from({ length: Math.floor(ids.length / fresh) }, (_, n) =>
    Int32Array.of(options.bos, ...ids.subarray(n * fresh, (n + 1) * fresh)),
  )
}

describe('distinctTokens', () => {
  it('counts ids once', () => expect(distinctTokens([Int32Array.of(1, 2, 2), Int32Array.of(1, 3)])).toBe(3))
  it('is none of nothing', () => expect(distinctTokens([])).toBe(0))
})

describe('sharedRuns', () => {
  const evaluation = noise(4000, 1)
  const other = noise(2000, 2)

  it('is all of the same text, however it is cut', () => {
    for (const fresh of [40, 63, 100]) {
      expect(sharedRuns(windowsOf(evaluation.subarray(317, 1500), fresh), windowsOf(evaluation, 80), options)).toBe(1)
    }
  })

  it('is none of another text', () => {
    expect(sharedRuns(windowsOf(other, 100), windowsOf(evaluation, 80), options)).toBe(0)
  })

  it('is the share of what is mixed in', () => {
    const half = [...windowsOf(other.subarray(0, 1000), 100), ...windowsOf(evaluation.subarray(0, 1000), 100)]
    expect(sharedRuns(half, windowsOf(evaluation, 80), options)).toBe(0.5)
  })

  it('holds for texts of which only some runs are remembered', () => {
    const long = noise(300_000, 3)
    const mixed = [...windowsOf(long.subarray(100_000, 110_000), 250), ...windowsOf(noise(10_000, 4), 250)]
    expect(sharedRuns(mixed, windowsOf(long, 255), options)).toBeCloseTo(0.5, 1)
  })

  it('takes longer runs where tokens are short', () => {
    const phrase = evaluation.subarray(100, 150)
    const piece = Int32Array.from([...noise(100, 8), ...phrase, ...noise(100, 9)])
    expect(sharedRuns([piece], [evaluation], options)).toBeGreaterThan(0)
    expect(sharedRuns([piece], [evaluation], { ...options, tokenCharacters: 1 })).toBe(0)
  })

  it('takes shorter runs of short windows, and tells nothing of a few tokens', () => {
    expect(sharedRuns(windowsOf(evaluation.subarray(5, 500), 9), windowsOf(evaluation, 80), options)).toBe(1)
    expect(sharedRuns([evaluation.subarray(0, 60)], [evaluation.subarray(0, 20)], options)).toBe(0)
    expect(sharedRuns([], windowsOf(evaluation, 80), options)).toBe(0)
  })
})
