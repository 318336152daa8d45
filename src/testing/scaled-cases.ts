import { createRandom } from '../core/random.ts'
import type { AffineFit } from '../kernels/contract/affine.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { BlockSpec, ModelConfig } from '../models/model-graph.ts'
import { familyFor } from '../models/registry.ts'
import { blockTensors, tensorRoles } from '../models/tensors.ts'
import type { BlockTensors, HalfLoss, LinearGrid, TapInputs } from '../quantization/transform.ts'
import { referencePass } from './reference-forward.ts'
import { tinyLlamaConfig } from './tiny-llama.ts'

/** Everything a transform may ask of calibration, from the inputs themselves. */
export async function inputsOf(kernels: Kernels, sample: Matrix): Promise<TapInputs> {
  const { data, rows: tokens, columns } = sample
  const gram = await kernels.accumulateGram(new Float32Array(columns * columns), sample)
  const byColumn = (change: (sum: number, value: number) => number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: columns }, (_, i) => {
      let sum = 0
      for (let at = i; at < data.length; at += columns) sum = change(sum, data[at] ?? 0)
      return sum
    })
  return {
    tokens,
    gram,
    meanSquare: Float32Array.from({ length: columns }, (_, i) => (gram[i * columns + i] ?? 0) / tokens),
    meanMagnitude: byColumn((sum, value) => sum + Math.abs(value) / tokens),
    largest: byColumn((most, value) => Math.max(most, Math.abs(value))),
    sample,
  }
}

/** Normal inputs, the third column `outlier` times as loud. */
export function madeInputs(
  kernels: Kernels,
  { tokens, columns, outlier }: { readonly tokens: number; readonly columns: number; readonly outlier: number },
): Promise<TapInputs> {
  const random = createRandom(5)
  const data = Float32Array.from({ length: tokens * columns }, (_, i) => random.nextNormal() * (i % columns === 2 ? outlier : 1))
  return inputsOf(kernels, { data, rows: tokens, columns })
}

export function approximator(kernels: Kernels, fit: AffineFit): LinearGrid {
  return {
    rangeColumns: typeof fit.group === 'number' ? fit.group : null,
    isFinal: true,
    approximate: async (weight) => kernels.dequantizeAffine(await kernels.quantizeAffine(weight, fit)),
  }
}

/** A block with biases and as many key-value heads as heads, its weights, and its inputs on some hidden states. */
export async function madeBlock(kernels: Kernels): Promise<{
  readonly config: ModelConfig
  readonly block: BlockSpec
  readonly tensors: BlockTensors
  readonly hidden: Float64Array
  readonly inputs: ReadonlyMap<string, TapInputs>
  readonly grids: ReadonlyMap<string, LinearGrid>
  readonly halfLoss: HalfLoss
}> {
  const raw = tinyLlamaConfig({
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    hidden_size: 32,
    intermediate_size: 64,
    num_key_value_heads: 4,
  })
  const { config, blocks } = familyFor(raw).describe(raw)
  const [block] = blocks
  if (block === undefined) throw new RangeError('no block')
  const random = createRandom(3)
  const shapes = new Map(blockTensors(block).map(({ name, shape }) => [name, shape]))
  const tensors = Object.fromEntries(
    tensorRoles(block).map(({ role, name }) => {
      const length = (shapes.get(name) ?? []).reduce((product, extent) => product * extent, 1)
      const [middle, spread] = role in block.norms ? [1, 0.5] : [0, 0.15]
      return [role, Float32Array.from({ length }, () => middle + spread * random.nextNormal())]
    }),
  )
  const hidden = Float64Array.from({ length: 40 * config.hidden }, (_, i) => random.nextNormal() * (i % config.hidden === 5 ? 20 : 1))
  const seen = referencePass(config, tensors, hidden).inputs
  const inputs = new Map<string, TapInputs>()
  for (const { role, tap, inFeatures: columns } of block.linears) {
    const found = role in seen ? seen[role as keyof typeof seen] : undefined
    if (found !== undefined) inputs.set(tap, await inputsOf(kernels, { data: Float32Array.from(found), rows: 40, columns }))
  }
  // With the other half's linears and norm as they are, errors at the end of the block are those at the end of the half, but for the
  // MLP behind attention, which is silenced.
  const silent = { down: new Float32Array(tensors['down']?.length ?? 0) }
  const halfLoss: HalfLoss = (half, changed) => {
    const others = half === 'attention' ? silent : {}
    const wanted = referencePass(config, { ...tensors, ...others }, hidden).output
    const made = referencePass(config, { ...tensors, ...changed, ...others }, hidden).output
    return Promise.resolve(made.reduce((sum, value, i) => sum + (value - (wanted[i] ?? 0)) ** 2, 0))
  }
  const grid = approximator(kernels, { bits: 4, isSymmetric: false, group: 16 })
  return { config, block, tensors, hidden, inputs, grids: new Map(block.linears.map(({ role }) => [role, grid])), halfLoss }
}
