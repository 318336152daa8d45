import type { ExportSource } from '../export/target.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { tensorRoles } from '../models/tensors.ts'
import { encodings as storage } from '../quantization/registry.ts'
import type { BlockWeights } from '../runtime/engine.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { wholeOf } from './export-source.ts'
import { linear, referenceBlock, rmsNorm } from './reference-forward.ts'

/** Logits [tokens, vocabulary] of a whole model in f64 on the weights, and with the rounded inputs, that an export reads of. */
export async function referenceLogits(source: ExportSource, kernels: Kernels, ids: readonly number[]): Promise<Float64Array> {
  const { graph } = source.checkpoint
  const { hidden, normEps } = graph.config
  const weightOf = (name: string): Promise<Float32Array<ArrayBuffer>> => readWeight(source, kernels, name)
  const embedding = await weightOf(graph.embedding.name)
  let states = Float64Array.from(ids.flatMap((id) => [...embedding.subarray(id * hidden, (id + 1) * hidden)]))
  for (const block of graph.blocks) {
    const weights: BlockWeights = Object.fromEntries(
      await Promise.all(tensorRoles(block).map(async ({ role, name }) => [role, await weightOf(name)] as const)),
    )
    const modes: BlockActivationModes = Object.fromEntries(
      block.linears.flatMap(({ role, weight }) => {
        const mode = source.inputModes.get(weight)
        return mode === undefined ? [] : [[role, mode]]
      }),
    )
    const config = { ...graph.config, ...(block.window === undefined ? {} : { window: block.window }) }
    states = Float64Array.from(referenceBlock(config, weights, states, modes))
  }
  const normed = rmsNorm(states, await weightOf(graph.finalNorm.name), normEps)
  return linear(normed, hidden, { head: await weightOf(graph.head?.name ?? graph.embedding.name) }, 'head')
}

async function readWeight(source: ExportSource, kernels: Kernels, name: string): Promise<Float32Array<ArrayBuffer>> {
  const encoding = source.encodings.get(name)?.encoding
  if (encoding === undefined || encoding === 'source' || encoding === 'float') {
    const shape = source.checkpoint.tensors.get(name)?.shape ?? []
    return source.readFloat(name, { rowStart: 0, rowEnd: shape.length < 2 ? 1 : (shape[0] ?? 0) })
  }
  const stored = await wholeOf(source, name)
  return storage.get(stored.encoding).dequantize(stored, kernels)
}
