import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { BlockSpec } from '../models/model-graph.ts'
import type { Activations, BlockCache, BlockWeights, LoadedBlock, ModelRunner } from '../runtime/engine.ts'

/** A whole small model held loaded: the straight way through, against which tests hold the walk's. */
export interface FloatForward {
  /** Logits [ids, vocab] of windows of equal length, in order. */
  logits(windows: readonly Int32Array[]): Promise<Float32Array<ArrayBuffer>>
  /** Logits [vocab] after the last of `ids`, which follow those of earlier calls. */
  next(ids: readonly number[]): Promise<Float32Array<ArrayBuffer>>
}

export async function loadFloatForward(checkpoint: Checkpoint, runner: ModelRunner): Promise<FloatForward> {
  const { graph } = checkpoint
  const { hidden } = graph.config
  const embedding = await checkpoint.readFloat(graph.embedding.name)
  const blocks: LoadedBlock[] = []
  for (const block of graph.blocks) blocks.push(await runner.loadBlock(await readBlock(checkpoint, block)))
  const headRows = graph.head === null ? embedding : await checkpoint.readFloat(graph.head.name)
  const head = await runner.loadHeadTile(await checkpoint.readFloat(graph.finalNorm.name), headRows)
  const embed = (ids: readonly number[]): Float32Array<ArrayBuffer> => {
    const rows = new Float32Array(ids.length * hidden)
    for (const [at, id] of ids.entries()) rows.set(embedding.subarray(id * hidden, (id + 1) * hidden), at * hidden)
    return rows
  }
  let caches: readonly (BlockCache | null)[] = blocks.map(() => null)
  return {
    async logits(windows) {
      const length = windows[0]?.length ?? 0
      const ids = windows.flatMap((window) => [...window])
      let activations: Activations = { data: embed(ids), batch: windows.length, length, width: hidden }
      for (const block of blocks) activations = (await block.run(activations)).output
      return head.run(activations.data, ids.length)
    },
    async next(ids) {
      let activations: Activations = { data: embed(ids), batch: 1, length: ids.length, width: hidden }
      const longer: BlockCache[] = []
      for (const [index, block] of blocks.entries()) {
        const { output, cache } = await block.step(activations, caches[index] ?? null)
        activations = output
        longer.push(cache)
      }
      caches = longer
      return head.run(activations.data.slice(-hidden), 1)
    },
  }
}

/** f32 weights of one block by role. */
export async function readBlock(checkpoint: Checkpoint, block: BlockSpec): Promise<BlockWeights> {
  const weights: Record<string, Float32Array<ArrayBuffer>> = {}
  for (const { role, weight, bias } of block.linears) {
    weights[role] = await checkpoint.readFloat(weight)
    if (bias !== null) weights[`${role}.bias`] = await checkpoint.readFloat(bias)
  }
  for (const [role, norm] of Object.entries(block.norms)) weights[role] = await checkpoint.readFloat(norm.name)
  return weights
}
