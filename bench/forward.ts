import { createRandom } from '../src/core/random.ts'
import { GraphBuilder } from '../src/formats/onnx/builder.ts'
import { encodeModel } from '../src/formats/onnx/model.ts'
import type { ModelGraph } from '../src/models/model-graph.ts'
import { familyFor } from '../src/models/registry.ts'
import type { BlockWeights } from '../src/runtime/engine.ts'
import { loadOnnxRuntime } from '../src/runtime/engines/load-onnxruntime.ts'
import { createNativeEngine } from '../src/runtime/engines/native.ts'
import { createOnnxEngine } from '../src/runtime/engines/onnxruntime.ts'
import { median } from './rounds.ts'

interface Shape {
  readonly name: string
  readonly hidden: number
  readonly intermediate: number
  readonly heads: number
  readonly kvHeads: number
  readonly batch: number
  readonly length: number
}

const shapes: readonly Shape[] = [
  { name: 'TinyLlama 1.1B', hidden: 2048, intermediate: 5632, heads: 32, kvHeads: 4, batch: 1, length: 512 },
  { name: 'TinyLlama 1.1B', hidden: 2048, intermediate: 5632, heads: 32, kvHeads: 4, batch: 4, length: 256 },
  { name: 'SmolLM2 135M', hidden: 576, intermediate: 1536, heads: 9, kvHeads: 3, batch: 4, length: 512 },
  { name: 'sample', hidden: 256, intermediate: 768, heads: 8, kvHeads: 4, batch: 16, length: 256 },
  { name: 'stories260K', hidden: 64, intermediate: 172, heads: 8, kvHeads: 4, batch: 16, length: 256 },
]

export interface ForwardRow {
  readonly shape: string
  readonly threads: number
  /** Medians over the rounds; each round times one after the other. */
  readonly forwardGflops: number
  /** The same block in onnxruntime-node (`--engine native`). */
  readonly nativeGflops: number
  readonly matMulGflops: number
  /** Median of the rounds' own ratios, so that other work on the machine weighs on both sides. */
  readonly share: number
}

/**
 * A whole block through the engine against the bare MatMuls of its linears in the same ONNX Runtime, and through the native one, in
 * turn. Flops of the forward pass are those of its linears and of causal attention (scores and mixing, visible pairs only); norms, rotation,
 * softmax and activation are time without credit.
 */
export async function benchForward({ threads = 1, rounds = 5 } = {}): Promise<readonly ForwardRow[]> {
  const engine = await createOnnxEngine({ backend: 'wasm', threads })
  const native = await createNativeEngine(threads)
  const rows: ForwardRow[] = []
  for (const shape of shapes) {
    const graph = graphOf(shape)
    const weights = weightsOf(graph)
    const tokens = shape.batch * shape.length
    const input = { data: noise(tokens * shape.hidden, 1), batch: shape.batch, length: shape.length, width: shape.hidden }
    const runner = await engine.openModel(graph)
    const block = await runner.loadBlock(weights)
    const nativeRunner = await native.openModel(graph)
    const nativeBlock = await nativeRunner.loadBlock(weights)
    const matMuls = await bareMatMuls(graph, tokens)
    const forward: number[] = []
    const bare: number[] = []
    const natively: number[] = []
    for (let round = 0; round <= rounds; round++) {
      bare.push(await secondsOf(() => matMuls.run()))
      forward.push(await secondsOf(() => block.run(input)))
      natively.push(await secondsOf(() => nativeBlock.run(input)))
    }
    const flops = linearFlops(graph, tokens)
    const forwardFlops = flops + attentionFlops(graph, shape)
    // the first round warms up
    const timed = forward
      .map((seconds, round) => ({
        forward: forwardFlops / seconds / 1e9,
        matMul: flops / (bare[round] ?? 0) / 1e9,
        native: forwardFlops / (natively[round] ?? 0) / 1e9,
      }))
      .slice(1)
    rows.push({
      shape: `${shape.name}: ${String(shape.hidden)}/${String(shape.intermediate)}, ${String(shape.batch)} x ${String(shape.length)} tokens`,
      threads,
      forwardGflops: median(timed.map((round) => round.forward)),
      nativeGflops: median(timed.map((round) => round.native)),
      matMulGflops: median(timed.map((round) => round.matMul)),
      share: median(timed.map((round) => round.forward / round.matMul)),
    })
    await block.release()
    await runner.close()
    await nativeBlock.release()
    await nativeRunner.close()
    await matMuls.close()
  }
  await engine.close()
  await native.close()
  return rows
}

export function forwardTable(rows: readonly ForwardRow[]): string {
  const lines = rows.map(({ shape, threads, forwardGflops, matMulGflops, share, nativeGflops }) =>
    [
      shape.padEnd(46),
      String(threads).padStart(7),
      forwardGflops.toFixed(1).padStart(9),
      matMulGflops.toFixed(1).padStart(8),
      `${(100 * share).toFixed(0)} %`.padStart(7),
      nativeGflops.toFixed(1).padStart(8),
    ].join(' '),
  )
  return ['forward pass of a block, GFLOP/s'.padEnd(46) + ' threads   forward   MatMul   share   native', ...lines].join('\n')
}

async function bareMatMuls(graph: ModelGraph, tokens: number): Promise<{ run: () => Promise<void>; close: () => Promise<void> }> {
  const ort = await loadOnnxRuntime('wasm')
  const [block] = graph.blocks
  const calls = await Promise.all(
    (block?.linears ?? []).map(async ({ inFeatures, outFeatures }) => {
      const builder = new GraphBuilder()
      const input = builder.input('input', 'float', ['tokens', inFeatures])
      const weight = builder.input('weight', 'float', [inFeatures, outFeatures])
      builder.output(builder.node('MatMul', [input, weight]), 'output', ['tokens', outFeatures])
      const session = await ort.InferenceSession.create(encodeModel(builder.build('matmul')), { executionProviders: ['wasm'] })
      const feeds = {
        input: new ort.Tensor('float32', noise(tokens * inFeatures, 1), [tokens, inFeatures]),
        weight: new ort.Tensor('float32', noise(inFeatures * outFeatures, 0.1), [inFeatures, outFeatures]),
      }
      return { session, feeds }
    }),
  )
  return {
    run: async () => {
      for (const { session, feeds } of calls) await session.run(feeds)
    },
    close: async () => {
      for (const { session } of calls) await session.release()
    },
  }
}

function graphOf({ hidden, intermediate, heads, kvHeads, length }: Shape): ModelGraph {
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: 1,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: 512,
    max_position_embeddings: length,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  }
  return familyFor(config).describe(config)
}

function weightsOf(graph: ModelGraph): BlockWeights {
  const [block] = graph.blocks
  const linears = (block?.linears ?? []).map(
    ({ role, inFeatures, outFeatures }) => [role, noise(inFeatures * outFeatures, 1 / Math.sqrt(inFeatures))] as const,
  )
  const norms = Object.entries(block?.norms ?? {}).map(([role, { shape }]) => [role, new Float32Array(shape[0] ?? 0).fill(1)] as const)
  return Object.fromEntries([...linears, ...norms])
}

function linearFlops(graph: ModelGraph, tokens: number): number {
  return (graph.blocks[0]?.linears ?? []).reduce((sum, { inFeatures, outFeatures }) => sum + 2 * tokens * inFeatures * outFeatures, 0)
}

/** Two products over headDim for each visible pair of positions, each head, each window. */
function attentionFlops({ config }: ModelGraph, { batch, length }: Shape): number {
  return batch * config.heads * ((length * (length + 1)) / 2) * 4 * config.headDim
}

function noise(count: number, scale: number): Float32Array<ArrayBuffer> {
  const random = createRandom(count)
  return Float32Array.from({ length: count }, () => (random.next() - 0.5) * 2 * scale)
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}
