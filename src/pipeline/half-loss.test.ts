import { describe, expect, it } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import type { BlockHalf } from '../models/block-halves.ts'
import { createOnnxEngine } from '../runtime/engines/onnxruntime.ts'
import { buildBlock } from '../testing/block-cases.ts'
import { halfLossOf } from './half-loss.ts'
import { type BatchShape, batchTokens, HiddenStates } from './hidden-states.ts'
import { ProgressMeter } from './progress.ts'

const { graph, weights, input } = buildBlock({ name: 'two windows', config: { max_position_embeddings: 1024 }, batch: 2, length: 200 })
const [block] = graph.blocks
if (block === undefined) throw new RangeError('no block')
const { width } = input

/** A walk whose first batch is the evaluation's; every value of a batch is its index. */
async function contextOf(shapes: readonly BatchShape[], values: (index: number, at: number) => number = (index) => index) {
  const store = new MemoryFileStore()
  const all = [{ batch: 1, length: 5 }, ...shapes]
  const float = new HiddenStates({ store, path: (generation) => `${generation}.f32`, shapes: all, width, isResident: true })
  const made = (index: number) => {
    const tokens = batchTokens(all[index] ?? { batch: 0, length: 0 })
    return Promise.resolve(Float32Array.from({ length: tokens * width }, (_, at) => values(index, at)))
  }
  const abort = new AbortController()
  const states = await float.advance(0, made, abort.signal)
  states.commit()
  const progress = new ProgressMeter({ send: () => undefined, now: () => 0, blocks: 1, work: 1, earlierSeconds: 0, memory: () => null })
  const evaluation = [{ batch: 1, length: 5, ids: new Int32Array(5), targets: new Int32Array(5) }]
  return { abort, context: { float, evaluation, progress, signal: abort.signal } }
}

/** Halves that add their input times the first weight of `q` or of `down`, and note what they saw. */
function fakeRunner() {
  const seen: { half: BlockHalf; batch: number; length: number; first: number }[] = []
  let loaded = 0
  return {
    seen,
    loaded: () => loaded,
    runner: {
      loadHalf: (half: BlockHalf, tensors: typeof weights) => {
        loaded++
        return Promise.resolve({
          run: ({ data, batch, length }: typeof input) => {
            expect(data).toHaveLength(batch * length * width)
            seen.push({ half, batch, length, first: data[0] ?? Number.NaN })
            return Promise.resolve(data.map((value) => value * (tensors[half === 'mlp' ? 'down' : 'q']?.[0] ?? 0)))
          },
          release: () => {
            loaded--
            return Promise.resolve()
          },
        })
      },
    },
  }
}

const doubled = { ...weights, q: Float32Array.of(1), down: Float32Array.of(1) }

describe('the loss at the end of a half', () => {
  it('is taken on the first windows of the calibration text that 2048 tokens hold, some of it on the first 512', async () => {
    const { context } = await contextOf([
      { batch: 1, length: 300 },
      { batch: 9, length: 200 },
      { batch: 1, length: 30 },
    ])
    const { runner, seen } = fakeRunner()
    const lossOf = await halfLossOf(context, block, { runner, weights: doubled })
    const windows = [{ batch: 1, length: 300, first: 1 }, ...Array.from({ length: 4 }, () => ({ batch: 2, length: 200, first: 2 }))]
    expect(seen).toEqual([
      ...windows.map((one) => ({ half: 'attention', ...one })),
      ...windows.map(({ first, ...one }) => ({ half: 'mlp', ...one, first: 2 * first })),
    ])
    const before = seen.length
    await lossOf('mlp', {}, 'some')
    expect(seen.slice(before)).toEqual([{ half: 'mlp', batch: 1, length: 300, first: 2 }])
    await lossOf('mlp', {}, 'all')
    expect(seen).toHaveLength(before + 1 + 5)
  })

  it('is taken on the head of a window that is longer', async () => {
    const { context } = await contextOf([{ batch: 2, length: 2500 }])
    const { runner, seen } = fakeRunner()
    await halfLossOf(context, block, { runner, weights })
    expect(seen.map(({ batch, length }) => [batch, length])).toEqual([
      [1, 2048],
      [1, 2048],
    ])
  })

  it('is the squared distance from the float model, and keeps nothing loaded', async () => {
    const { context, abort } = await contextOf([{ batch: 1, length: 3 }], () => 2)
    const { runner, loaded } = fakeRunner()
    const lossOf = await halfLossOf(context, block, { runner, weights: doubled })
    expect(await lossOf('attention', {}, 'all')).toBe(0)
    expect(await lossOf('attention', { q: Float32Array.of(1.5) }, 'all')).toBe(3 * width)
    // The MLP sees the float model's states, whatever was tried in attention.
    expect(await lossOf('mlp', { q: Float32Array.of(9), down: Float32Array.of(1.5) }, 'all')).toBe(4 * 3 * width)
    abort.abort()
    await expect(lossOf('mlp', {}, 'some')).rejects.toMatchObject({ code: 'aborted' })
    expect(loaded()).toBe(0)
  })

  it('is the same for any number of threads', async () => {
    const losses: number[][] = []
    for (const threads of [1, 2]) {
      const { context } = await contextOf([{ batch: 2, length: 200 }], (index, at) => Math.sin(index + at * 1.7))
      const engine = await createOnnxEngine({ backend: 'wasm', threads })
      const runner = await engine.openModel(graph)
      const lossOf = await halfLossOf(context, block, { runner, weights })
      const rounded = (weights['q'] ?? new Float32Array()).map((value) => Math.round(value * 8) / 8)
      losses.push([
        await lossOf('attention', { q: rounded }, 'all'),
        await lossOf('mlp', { up: (weights['up'] ?? rounded).map(Math.round) }, 'all'),
      ])
      await runner.close()
      await engine.close()
    }
    expect(losses[0]?.every((loss) => loss > 0)).toBe(true)
    expect(losses[1]).toEqual(losses[0])
  })
})
