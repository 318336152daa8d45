import { throwIfAborted } from '../core/errors.ts'
import { type BlockHalf, halfOf } from '../models/block-halves.ts'
import type { BlockSpec } from '../models/model-graph.ts'
import { type BlockTensors, type HalfLoss, lossTokens } from '../quantization/transform.ts'
import type { Activations, BlockWeights, ModelRunner } from '../runtime/engine.ts'
import { batchTokens } from './hidden-states.ts'
import { blockOperations, type WalkContext } from './walk-context.ts'

type LossContext = Pick<WalkContext, 'float' | 'evaluation' | 'progress' | 'signal'>
type Floats = Float32Array<ArrayBuffer>

/**
 * Errors at the ends of a block's halves. `weights`: the checkpoint's block. Holds `lossTokens` hidden states before each half and what
 * the half adds to them.
 */
export async function halfLossOf(
  context: LossContext,
  block: BlockSpec,
  { runner, weights }: { readonly runner: Pick<ModelRunner, 'loadHalf'>; readonly weights: BlockWeights },
): Promise<HalfLoss> {
  const { progress, signal } = context
  const added = async (half: BlockHalf, tensors: BlockTensors, inputs: readonly Activations[]): Promise<Floats[]> => {
    const operations = blockOperations(block.linears.filter(({ role }) => halfOf(role) === half))
    const loaded = await runner.loadHalf(half, tensors)
    const outputs: Floats[] = []
    try {
      for (const input of inputs) {
        throwIfAborted(signal)
        const tokens = batchTokens(input)
        outputs.push(await progress.forwarded(tokens, tokens * operations, () => loaded.run(input)))
      }
    } finally {
      await loaded.release()
    }
    return outputs
  }
  const before = await firstWindows(context)
  const attended = await added('attention', weights, before)
  const middle = before.map((states, index) => ({ ...states, data: sumOf(states.data, attended[index]) }))
  const float = {
    attention: { inputs: before, outputs: attended },
    mlp: { inputs: middle, outputs: await added('mlp', weights, middle) },
  }
  return async (half, changed) => {
    const { inputs, outputs } = float[half]
    return squaredDistance(await added(half, { ...weights, ...changed }, inputs), outputs)
  }
}

/** The first windows of the calibration text, `lossTokens` at most; of a longer window the head, which sees nothing behind it. */
async function firstWindows({ float, evaluation, signal }: LossContext): Promise<Activations[]> {
  const windows: Activations[] = []
  let left = lossTokens
  for (let index = evaluation.length; index < float.shapes.length; index++) {
    const { data, batch, length, width } = await float.read(index, signal)
    if (length > left && windows.length > 0) break
    const taken = length > left ? { batch: 1, length: left } : { batch: Math.min(batch, Math.floor(left / length)), length }
    const tokens = batchTokens(taken)
    windows.push({ data: data.slice(0, tokens * width), ...taken, width })
    left -= tokens
  }
  return windows
}

function sumOf(some: Floats, others: Floats = new Float32Array(0)): Floats {
  return some.map((value, i) => value + (others[i] ?? 0))
}

function squaredDistance(some: readonly Floats[], others: readonly Floats[]): number {
  let sum = 0
  for (const [index, values] of some.entries()) {
    const other = others[index] ?? new Float32Array(0)
    for (let i = 0; i < values.length; i++) sum += ((values[i] ?? 0) - (other[i] ?? 0)) ** 2
  }
  return sum
}
