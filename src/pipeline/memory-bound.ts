import type { ModelGraph } from '../models/model-graph.ts'
import { windowsAtOnce } from './batches.ts'
import { tableBytes } from './embedding.ts'
import { blockOperations } from './walk-context.ts'
import { headTileRows, headTokens } from './walk-head.ts'

export interface MemoryPart {
  readonly what: string
  readonly bytes: number
}

/** Code, ONNX Runtime and its arena before any model, and the page itself; measured 190 to 260 MB in Chromium. */
const baseBytes = 320e6
/** Bytes of a `LogitState` a token: six f64 sums, two f64 targets, two i32 arg maxima, and the new state beside the old. */
const logitStateBytes = 2 * 72

/** Share of the memory limit that hidden states may take before they are read from storage. */
export const hiddenShare = 0.3

/**
 * A bound on the memory of all threads together, part by part. Depends on one block, the tokens and the number of recipes,
 * never on the number of blocks.
 */
export function memoryParts(
  graph: ModelGraph,
  run: {
    readonly floatTokens: number
    readonly recipeTokens: number
    readonly scoredTokens: number
    readonly contextLength: number
    readonly recipes: number
    readonly threads: number
    readonly memoryLimitBytes: number
  },
): MemoryPart[] {
  const { config } = graph
  const linears = graph.blocks[0]?.linears ?? []
  const block = 4 * blockOperations(linears)
  const largest = 4 * Math.max(0, ...linears.map((linear) => linear.inFeatures * linear.outFeatures))
  const widths = new Map(linears.map((linear) => [linear.tap, linear.inFeatures]))
  const grams = [...widths.values()].map((width) => 4 * width * width)
  const windows = windowsAtOnce(run.contextLength, config)
  const tokens = windows * run.contextLength
  const perToken = 6 * config.hidden + 3 * config.intermediate + 2 * (config.heads + 2 * config.kvHeads) * config.headDim
  const scores = 2 * 4 * windows * config.heads * run.contextLength ** 2
  const hidden = 2 * 4 * config.hidden * (run.floatTokens + run.recipes * run.recipeTokens)
  const rows = headTileRows(config.vocab, config.hidden)
  return [
    { what: 'program, ONNX Runtime and page', bytes: baseBytes },
    { what: 'one block in f32, float and quantized', bytes: 2 * block },
    { what: 'the same in the forward engine', bytes: 2 * block },
    { what: 'matrices on their way through the kernel threads', bytes: 5 * largest },
    { what: 'X^T X of the inputs of one block', bytes: grams.reduce((sum, bytes) => sum + bytes, 0) + 2 * Math.max(0, ...grams) },
    { what: 'activations of a batch', bytes: 2 * 4 * tokens * perToken + scores },
    { what: 'hidden states', bytes: Math.min(hidden, hiddenShare * run.memoryLimitBytes) },
    { what: 'embedding rows in use', bytes: Math.min(tableBytes, 4 * config.vocab * config.hidden) },
    { what: 'a tile of the head and its logits', bytes: (2 + run.recipes) * 4 * rows * config.hidden + 6 * 4 * headTokens * rows },
    { what: 'sums over scored tokens', bytes: logitStateBytes * run.scoredTokens * run.recipes },
  ]
}
