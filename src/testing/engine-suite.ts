import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ActivationMode } from '../kernels/contract/activations.ts'
import type { Activations, ForwardEngine, ModelRunner } from '../runtime/engine.ts'
import { type BlockCase, blockCases, buildBlock, largestDifference } from './block-cases.ts'
import { linear, referenceBlock, rmsNorm } from './reference-forward.ts'
import { roundInput } from './round-input.ts'

interface SuiteOptions {
  /** Largest absolute difference to f64; values are of order 1. */
  readonly tolerance: number
  /** Block shapes to run; default all. */
  readonly cases?: readonly BlockCase[]
}

/** What every forward engine must do, whatever it runs on. */
export function describeEngine(name: string, open: () => Promise<ForwardEngine>, { tolerance, cases = blockCases }: SuiteOptions): void {
  describe(name, { timeout: 60_000 }, () => {
    const first = buildBlock(firstCase())
    let engine: ForwardEngine
    let runner: ModelRunner

    beforeAll(async () => {
      engine = await open()
      runner = await engine.openModel(first.graph)
    })

    afterAll(async () => {
      await runner.close()
      await engine.close()
    })

    it.each(cases)('computes a block as f64 does: $name', async (blockCase) => {
      const built = buildBlock(blockCase)
      const own = await engine.openModel(built.graph)
      const block = await own.loadBlock(built.weights)
      const { output } = await block.run(built.input)
      expect(largestDifference(output.data, built.expected)).toBeLessThan(tolerance)
      await block.release()
      await own.close()
    })

    it('returns the inputs of the linears by tap', async () => {
      const built = first
      const block = await runner.loadBlock(built.weights)
      const { output, taps } = await block.run(built.input, { taps: true })
      const { config, blocks } = built.graph
      expect(Object.keys(taps ?? {}).sort()).toEqual([...new Set(blocks[0]?.linears.map((spec) => spec.tap))].sort())
      const tapOf = (role: string): Float32Array =>
        taps?.[blocks[0]?.linears.find((spec) => spec.role === role)?.tap ?? ''] ?? new Float32Array()
      const normed = rmsNorm(Float64Array.from(built.input.data), built.weights['attnIn'] ?? new Float32Array(), config.normEps)
      expect(largestDifference(tapOf('q'), normed)).toBeLessThan(tolerance)
      // the last two taps are tied together by what the block adds to its input
      const attended = linear(Float64Array.from(tapOf('o')), config.heads * config.headDim, built.weights, 'o')
      const mlp = linear(Float64Array.from(tapOf('down')), config.intermediate, built.weights, 'down')
      const rebuilt = built.input.data.map((value, index) => value + (attended[index] ?? 0) + (mlp[index] ?? 0))
      expect(largestDifference(output.data, rebuilt)).toBeLessThan(tolerance)
    })

    it.each([firstCase(), ...blockCases.filter(({ name }) => /bias|parts/.test(name))])(
      'computes the halves of a block: $name',
      async (one) => {
        const { weights, input, expected, graph } = buildBlock(one)
        const own = await engine.openModel(graph)
        const plus = (states: Activations, added: Float32Array): Activations => {
          expect(added).toHaveLength(states.data.length)
          return { ...states, data: states.data.map((value, at) => value + (added[at] ?? 0)) }
        }
        let states = input
        for (const half of ['attention', 'mlp'] as const) {
          const loaded = await own.loadHalf(half, weights)
          states = plus(states, await loaded.run(states))
          await loaded.release()
        }
        expect(largestDifference(states.data, expected)).toBeLessThan(tolerance)
        const { q, ...others } = weights
        expect(q).toBeDefined()
        await expect(own.loadHalf('attention', others)).rejects.toThrow('The weight "q" was not given')
        await expect(own.loadHalf('mlp', others)).resolves.toBeDefined()
        await own.close()
      },
    )

    it('steps with a cache to the same result as all at once', async () => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const block = await runner.loadBlock(built.weights)
      const { length, width } = built.input
      const part = (start: number, end: number): Activations => ({
        ...built.input,
        data: built.input.data.slice(start * width, end * width),
        length: end - start,
      })
      const first = await block.step(part(0, 4), null)
      const second = await block.step(part(4, 5), first.cache)
      const third = await block.step(part(5, length), second.cache)
      expect(third.cache.length).toBe(length)
      const joined = [first, second, third].flatMap((step) => [...step.output.data])
      expect(largestDifference(joined, built.expected)).toBeLessThan(tolerance)
    })

    it.each<[string, ActivationMode]>([
      ['8 bits a token', { kind: 'int8-rows', outlierThreshold: null }],
      ['8 bits a token beside outlier columns', { kind: 'int8-rows', outlierThreshold: 1.8 }],
      ['8 bits with one scale, clamped', { kind: 'int8-tensor', scale: 0.012 }],
      ['8 bits a block, scales in halves', { kind: 'int8-blocks', columns: 8, scale: 'half' }],
      ['8 bits a block', { kind: 'int8-blocks', columns: 4, scale: 'float' }],
    ])('rounds the inputs of the linears to %s', async (_, mode) => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const { config, blocks } = built.graph
      // One linear stays float, and one is the only one of its input.
      const modes = Object.fromEntries(blocks[0]?.linears.filter(({ role }) => role !== 'v').map(({ role }) => [role, mode]) ?? [])
      const expected = referenceBlock(config, built.weights, Float64Array.from(built.input.data), modes)
      expect(largestDifference(expected, built.expected)).toBeGreaterThan(100 * tolerance)
      const block = await runner.loadBlock(built.weights, modes)
      const { output, taps } = await block.run(built.input, { taps: true })
      expect(largestDifference(output.data, expected)).toBeLessThan(tolerance)
      const { output: stepped } = await block.step(built.input, null)
      expect(largestDifference(stepped.data, expected)).toBeLessThan(tolerance)
      // Taps are what comes in, not what is multiplied.
      const normed = rmsNorm(Float64Array.from(built.input.data), built.weights['attnIn'] ?? new Float32Array(), config.normEps)
      const tap = blocks[0]?.linears.find(({ role }) => role === 'q')?.tap ?? ''
      expect(largestDifference(taps?.[tap] ?? [], normed)).toBeLessThan(tolerance)
      await block.release()
    })

    it('rounds the inputs of the linears to halves', async () => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const { config, blocks } = built.graph
      const modes = Object.fromEntries(blocks[0]?.linears.map(({ role }) => [role, { kind: 'half' } as const]) ?? [])
      const expected = referenceBlock(config, built.weights, Float64Array.from(built.input.data), modes)
      // Far less than 8 bits do.
      expect(largestDifference(expected, built.expected)).toBeGreaterThan(10 * tolerance)
      const block = await runner.loadBlock(built.weights, modes)
      const { output } = await block.run(built.input)
      expect(largestDifference(output.data, expected)).toBeLessThan(tolerance)
      await block.release()
    })

    it('hands on the outputs of linears as integer kernels do', async () => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const { config, blocks } = built.graph
      const linears = blocks[0]?.linears ?? []
      const weights: Record<string, Float32Array<ArrayBuffer>> = { ...built.weights }
      for (const { role, inFeatures } of linears) Object.assign(weights, onRows(role, weights[role] ?? new Float32Array(), inFeatures))
      const modes = Object.fromEntries(linears.map(({ role }) => [role, { kind: 'int8-tensor', scale: 0.02, outputScale: 0.03 } as const]))
      const input = Float64Array.from(built.input.data)
      const expected = referenceBlock(config, weights, input, modes)
      const inputsAlone = Object.fromEntries(linears.map(({ role }) => [role, { kind: 'int8-tensor', scale: 0.02 } as const]))
      expect(largestDifference(expected, referenceBlock(config, weights, input, inputsAlone))).toBeGreaterThan(0.01)
      const block = await runner.loadBlock(weights, modes)
      const { output } = await block.run(built.input)
      expect(largestDifference(output.data, expected)).toBeLessThan(tolerance)
      const { output: stepped } = await block.step(built.input, null)
      expect(largestDifference(stepped.data, expected)).toBeLessThan(tolerance)
      await block.release()
    })

    it('tells how far the outputs of linears reach, token by token', async () => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const block = await runner.loadBlock(built.weights)
      const { output, taps = {}, ranges = {} } = await block.run(built.input, { ranges: true })
      expect(largestDifference(output.data, built.expected)).toBeLessThan(tolerance)
      for (const { role, tap, inFeatures, outFeatures } of built.graph.blocks[0]?.linears ?? []) {
        const products = linear(Float64Array.from(taps[tap] ?? []), inFeatures, built.weights, role)
        const wanted = Array.from({ length: products.length / outFeatures }, (_, token) =>
          products.subarray(token * outFeatures, (token + 1) * outFeatures).reduce((most, x) => Math.max(most, Math.abs(x)), 0),
        )
        expect(largestDifference(ranges[role] ?? [], wanted), role).toBeLessThan(tolerance)
      }
      await block.release()
    })

    it('keeps a token of zeros zero when inputs are rounded', async () => {
      const built = buildBlock({ ...firstCase(), batch: 1 })
      const modes = {
        q: { kind: 'int8-rows', outlierThreshold: null },
        k: { kind: 'int8-blocks', columns: 8, scale: 'half' },
        v: { kind: 'half' },
        down: { kind: 'int8-rows', outlierThreshold: 6 },
      } as const
      const block = await runner.loadBlock(built.weights, modes)
      const { output } = await block.run({ ...built.input, data: new Float32Array(built.input.data.length) })
      expect(largestDifference(output.data, new Float32Array(built.input.data.length))).toBe(0)
      await block.release()
    })

    it('refuses a scale that is not positive', async () => {
      await expect(runner.loadBlock(first.weights, { q: { kind: 'int8-tensor', scale: 0 } })).rejects.toThrow('input scale of "q" is 0')
      const mode = { kind: 'int8-tensor', scale: 1, outputScale: Number.NaN } as const
      await expect(runner.loadBlock(first.weights, { q: mode })).rejects.toThrow('output scale of "q" is NaN')
    })

    it('gives logits tile by tile', async () => {
      const built = first
      const { hidden, normEps } = built.graph.config
      const gain = built.weights['mlpIn'] ?? new Float32Array()
      const rows = (built.weights['gate'] ?? new Float32Array()).slice()
      const tokens = built.input.data.length / hidden
      const normed = rmsNorm(Float64Array.from(built.input.data), gain, normEps)
      const expected = linear(normed, hidden, { rows }, 'rows')
      const vocab = rows.length / hidden
      for (const [start, end] of [[0, 10] as const, [10, vocab] as const]) {
        const tile = await runner.loadHeadTile(gain, rows.slice(start * hidden, end * hidden))
        expect(tile.width).toBe(end - start)
        const logits = await tile.run(built.input.data.slice(), tokens)
        const wanted = Array.from({ length: tokens * (end - start) }, (_, index) => {
          const token = Math.floor(index / (end - start))
          return expected[token * vocab + start + (index % (end - start))] ?? 0
        })
        expect(largestDifference(logits, wanted)).toBeLessThan(tolerance)
        await tile.release()
      }
    })

    it('rounds what the head takes where it is told to', async () => {
      const built = first
      const { hidden, normEps } = built.graph.config
      const gain = built.weights['mlpIn'] ?? new Float32Array()
      const rows = built.weights['gate'] ?? new Float32Array()
      const tokens = built.input.data.length / hidden
      const normed = rmsNorm(Float64Array.from(built.input.data), gain, normEps)
      const mode = { kind: 'int8-blocks', columns: 8, scale: 'half' } as const
      const expected = linear(roundInput(normed, hidden, mode), hidden, { rows }, 'rows')
      expect(largestDifference(linear(normed, hidden, { rows }, 'rows'), expected)).toBeGreaterThan(10 * tolerance)
      const tile = await runner.loadHeadTile(gain, rows, mode)
      expect(largestDifference(await tile.run(built.input.data.slice(), tokens), expected)).toBeLessThan(tolerance)
      await tile.release()
    })

    it('serves blocks loaded side by side, and calls made at once', async () => {
      const built = first
      const zeroed = {
        ...built.weights,
        down: new Float32Array(built.weights['down']?.length ?? 0),
        o: new Float32Array(built.weights['o']?.length ?? 0),
      }
      const [block, identity] = await Promise.all([runner.loadBlock(built.weights), runner.loadBlock(zeroed)])
      const [a, b] = await Promise.all([block.run(built.input), identity.run(built.input)])
      expect(largestDifference(a.output.data, built.expected)).toBeLessThan(tolerance)
      expect(largestDifference(b.output.data, built.input.data)).toBe(0)
    })

    it('turns a refusal of the engine into its own error, and goes on', async () => {
      const block = await runner.loadBlock(first.weights)
      const narrow = { data: new Float32Array(6), batch: 1, length: 2, width: 3 }
      await expect(block.run(narrow)).rejects.toMatchObject({ code: 'engine-failed', title: 'The forward pass failed' })
      const { output } = await block.run(first.input)
      expect(largestDifference(output.data, first.expected)).toBeLessThan(tolerance)
      await block.release()
    })

    it('refuses a weight of the wrong size and a missing one', async () => {
      const built = first
      await expect(runner.loadBlock({ ...built.weights, q: new Float32Array(3) })).rejects.toThrow('"q" has 3 values')
      await expect(runner.loadBlock({})).rejects.toThrow('was not given')
    })
  })
}

function firstCase(): (typeof blockCases)[number] {
  const [first] = blockCases
  if (first === undefined) throw new RangeError('There are cases.')
  return first
}

/** A matrix to nearest in 8 bits with a scale a row, and those scales beside it. */
function onRows(role: string, data: Float32Array<ArrayBuffer>, columns: number): Record<string, Float32Array<ArrayBuffer>> {
  const scales = Float32Array.from({ length: data.length / columns }, (_, row) => {
    const values = data.subarray(row * columns, (row + 1) * columns)
    return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
  })
  const values = data.map((value, at) => {
    const scale = scales[Math.floor(at / columns)] ?? 1
    return Math.round(value / scale) * scale
  })
  return { [role]: values, [`${role}.rowScales`]: scales }
}
