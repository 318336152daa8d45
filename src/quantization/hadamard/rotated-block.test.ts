import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { tensorRoles } from '../../models/tensors.ts'
import { referencePass } from '../../testing/reference-forward.ts'
import { inputsOf, madeBlock } from '../../testing/scaled-cases.ts'
import type { BlockTensors } from '../transform.ts'
import hadamard from '../transforms/hadamard.ts'
import { Rotation } from './rotation.ts'

const kernels = createReferenceKernels()
const applied = async (scope: 'model' | 'heads', change: (gain: Float32Array<ArrayBuffer>) => void = () => undefined) => {
  const made = await madeBlock(kernels)
  const { config, block, tensors, inputs, grids } = made
  const gain = tensors['attnIn']?.slice() ?? new Float32Array(0)
  change(gain)
  const own: BlockTensors = { ...tensors, attnIn: gain }
  const after = await hadamard.apply(block, own, { settings: { scope, seed: 3 }, config, inputs, grids, kernels })
  return { ...made, tensors: own, after }
}
const rotated = (values: Float64Array, rotation: Rotation): Float64Array => Float64Array.from(rotation.rows(Float32Array.from(values)))

function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, signal] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    error = Math.max(error, Math.abs((a[i] ?? 0) - (b[i] ?? 0)))
    signal = Math.max(signal, Math.abs(b[i] ?? 0))
  }
  return error / signal
}

describe('a block on rotated hidden states', () => {
  it('computes the rotated outputs, with biases and shared gains', async () => {
    const { config, tensors, hidden, after } = await applied('model')
    const states = new Rotation(config.hidden, 3)
    const before = referencePass(config, tensors, hidden)
    const turned = referencePass(config, after.tensors, rotated(hidden, states))
    expect(relativeDifference(turned.output, rotated(before.output, states))).toBeLessThan(1e-5)
    expect(after.tensors['attnIn']).toEqual(new Float32Array(config.hidden).fill(1))
    // A loud column of the hidden states is not to be seen any more.
    const loudest = (x: Float64Array) =>
      Math.max(...x.map(Math.abs)) / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length)
    expect(loudest(rotated(hidden, states))).toBeLessThan(0.6 * loudest(hidden))
  })

  it('changes no tensor but those it names, all of them', async () => {
    for (const scope of ['model', 'heads'] as const) {
      const { block, tensors, after } = await applied(scope)
      const changed = tensorRoles(block).filter(({ role }) => after.tensors[role] !== tensors[role])
      expect(new Set(changed.map(({ name }) => name))).toEqual(new Set(hadamard.changes(block, { scope, seed: 3 })))
    }
  })

  it('measures errors in the space of the checkpoint', async () => {
    const { block, tensors, inputs, grids, after } = await applied('model')
    for (const { role, tap, outFeatures: rows, inFeatures: columns } of block.linears) {
      const data = after.tensors[role] ?? new Float32Array(0)
      expect(relativeDifference(after.restore(role, data), tensors[role] ?? [])).toBeLessThan(1e-5)
      const seen = inputs.get(tap)
      const approximation = await grids.get(role)?.approximate({ data, rows, columns }, new Float32Array(columns))
      if (seen === undefined || approximation === undefined) throw new RangeError(role)
      const error = (a: Float32Array, b: Float32Array, gram: Float32Array) =>
        kernels.traceThroughGram({ rows, columns, data: Float32Array.from(a, (value, i) => value - (b[i] ?? 0)) }, gram)
      const restored = await error(tensors[role] ?? data, after.restore(role, approximation), seen.gram)
      expect(restored / (await error(data, approximation, after.activationsOf(tap, seen).gram))).toBeCloseTo(1, 3)
    }
    expect(after.restore('attnIn', Float32Array.of(1))).toEqual(Float32Array.of(1))
  })

  it('knows what its linears will see', async () => {
    for (const scope of ['model', 'heads'] as const) {
      const { config, block, inputs, hidden, after } = await applied(scope)
      const states = scope === 'model' ? rotated(hidden, new Rotation(config.hidden, 3)) : hidden
      const own = referencePass(config, after.tensors, states).inputs
      for (const { role, tap, inFeatures: columns } of block.linears) {
        const found = role in own ? own[role as keyof typeof own] : undefined
        const seen = inputs.get(tap)
        if (found === undefined || seen === undefined) continue
        const expected = await inputsOf(kernels, { data: Float32Array.from(found), rows: 40, columns })
        expect(relativeDifference(after.activationsOf(tap, seen).meanSquare, expected.meanSquare)).toBeLessThan(1e-4)
        // From mean squares alone the sum is right, and each column as far as columns are uncorrelated.
        const guessed = after.importanceOf(tap, seen.meanSquare).reduce((sum, value) => sum + value, 0)
        expect(guessed / expected.meanSquare.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 3)
      }
    }
  })

  it('stays finite where a gain is 0', async () => {
    const { config, block, tensors, hidden, after, inputs } = await applied('model', (gain) => gain.fill(0, 4, 6))
    const states = new Rotation(config.hidden, 3)
    const output = referencePass(config, after.tensors, rotated(hidden, states)).output
    expect(relativeDifference(output, rotated(referencePass(config, tensors, hidden).output, states))).toBeLessThan(1e-5)
    for (const { role } of block.linears)
      expect(after.restore(role, after.tensors[role] ?? new Float32Array(0)).every(Number.isFinite)).toBe(true)
    const seen = inputs.get('attnIn')
    if (seen === undefined) throw new RangeError('attnIn')
    expect(after.importanceOf('attnIn', seen.meanSquare).every(Number.isFinite)).toBe(true)
  })
})
