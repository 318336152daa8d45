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
 * Errors at the ends of a block's halves. `weights`: the checkpoint's block. Holds `lossTokens.all` hidden states before each half and
 * what the half adds to them.
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
  return async (half, changed, tokens) => {
    const { inputs, outputs } = float[half]
    return squaredDistance(await added(half, { ...weights, ...changed }, tokens === 'some' ? inputs.slice(0, 1) : inputs), outputs)
  }
}

/**
 * The first windows of the calibration text, `lossTokens.all` at most, as many to a batch as `lossTokens.some` holds; of a window
 * longer than all the head, which sees nothing behind it.
 */
async function firstWindows({ float, evaluation, signal }: LossContext): Promise<Activations[]> {
  const windows: Activations[] = []
  let left: number = lossTokens.all
  for (let index = evaluation.length; index < float.shapes.length; index++) {
    const { data, batch, length: whole, width } = await float.read(index, signal)
    const length = Math.min(whole, lossTokens.all)
    const atOnce = Math.max(1, Math.floor(lossTokens.some / length))
    for (let start = 0; start < batch; ) {
      const count = Math.min(atOnce, batch - start, Math.floor(left / length))
      if (count === 0) return windows
      const values = data.slice(start * whole * width, ((start + count - 1) * whole + length) * width)
      windows.push({ data: values, batch: count, length, width })
      left -= count * length
      start += count
    }
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
