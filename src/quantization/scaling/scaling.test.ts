import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { familyFor } from '../../models/registry.ts'
import { referencePass } from '../../testing/reference-forward.ts'
import { madeBlock } from '../../testing/scaled-cases.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { transforms } from '../registry.ts'
import { normGroups, pairGroups } from './groups.ts'

const kernels = createReferenceKernels()

/** Every transform that scales, with settings that leave the float function as it is. */
const exact = [
  { kind: 'none' },
  { kind: 'awq', clip: false },
  { kind: 'awq', clip: false, scales: 'inputs' },
  { kind: 'smoothquant', activations: 'float' },
  { kind: 'smoothquant', activations: 'float', alpha: 'search' },
]

it('has every transform here that stays within blocks and changes nothing in float; others have tests of their own', () => {
  const changesModel: ReadonlySet<string> = new Set(['prune', 'wanda'])
  const within = transforms.members.filter(({ kind, ends }) => ends === undefined && !changesModel.has(kind))
  expect(new Set(exact.map(({ kind }) => kind))).toEqual(new Set(within.map(({ kind }) => kind)))
})

describe.each(exact)('$kind, $scales $alpha', (choice) => {
  const member = transforms.get(choice.kind)
  const apply = async () => {
    const made = await madeBlock(kernels)
    const settings = member.parse(choice)
    return { ...made, after: await member.apply(made.block, made.tensors, { ...made, settings, kernels }) }
  }

  it('leaves what the block computes, and changes no tensor but those it names', async () => {
    const { config, block, tensors, hidden, after } = await apply()
    const before = referencePass(config, tensors, hidden).output
    const output = referencePass(config, after.tensors, hidden).output
    const scale = before.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const [i, value] of output.entries()) expect(Math.abs(value - (before[i] ?? 0))).toBeLessThan(1e-5 * scale)
    const names = new Set(member.changes(block, member.parse(choice)))
    for (const { role, weight, bias } of block.linears) {
      if (!names.has(weight)) expect(after.tensors[role]).toBe(tensors[role])
      if (bias !== null && !names.has(bias)) expect(after.tensors[`${role}.bias`]).toBe(tensors[`${role}.bias`])
    }
    if (choice.kind !== 'none') expect(after.tensors['attnIn']).not.toEqual(tensors['attnIn'])
  })

  it('measures the same error in its space as in that of the checkpoint', async () => {
    const { block, tensors, inputs, grids, after } = await apply()
    for (const { role, tap, outFeatures: rows, inFeatures: columns } of block.linears) {
      const seen = inputs.get(tap)
      const weight = { data: after.tensors[role] ?? new Float32Array(0), rows, columns }
      const approximation = await grids.get(role)?.approximate(weight, new Float32Array(columns))
      if (seen === undefined || approximation === undefined) throw new RangeError(role)
      const error = async (a: Float32Array, b: Float32Array, gram: Float32Array) =>
        kernels.traceThroughGram({ rows, columns, data: Float32Array.from(a, (value, i) => value - (b[i] ?? 0)) }, gram)
      const restored = await error(tensors[role] ?? weight.data, after.restore(role, approximation), seen.gram)
      // Rows of v and up are scaled too: their errors compare by the outputs of the checkpoint's linear.
      if (role === 'v' || role === 'up') expect(restored).toBeGreaterThan(0)
      else expect(restored / (await error(weight.data, approximation, after.activationsOf(tap, seen).gram))).toBeCloseTo(1, 3)
      expect(after.restore(role, weight.data).every((value, i) => Math.abs(value - (tensors[role]?.[i] ?? 0)) < 1e-6)).toBe(true)
      expect([...after.importanceOf(tap, seen.meanSquare)]).toEqual([...after.activationsOf(tap, seen).meanSquare])
    }
  })
})

describe('groups', () => {
  it('leave out the output of attention where heads share keys and values', () => {
    const [block] = familyFor(tinyLlamaConfig()).describe(tinyLlamaConfig()).blocks
    if (block === undefined) throw new RangeError('no block')
    expect(pairGroups(block).map(({ source, linears }) => [source, ...linears.map(({ role }) => role)])).toEqual([
      ['attnIn', 'q', 'k', 'v'],
      ['mlpIn', 'gate', 'up'],
      ['up', 'down'],
    ])
    expect(normGroups(block).map(({ source }) => source)).toEqual(['attnIn', 'mlpIn'])
  })
})
