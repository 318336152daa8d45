import type { ModelGraph } from '../models/model-graph.ts'
import { gramColumnsAtOnce, lossTokens } from '../quantization/transform.ts'
import { forwardBytes } from '../runtime/memory.ts'
import { windowsAtOnce } from './batches.ts'
import { tableBytes } from './embedding.ts'
import { tilesAhead } from './quantize-only.ts'
import { sampleTokens } from './tap-sums.ts'
import { blockOperations } from './walk-context.ts'
import { headTileRows, headTokens } from './walk-head.ts'

export interface MemoryPart {
  readonly what: string
  readonly bytes: number
}

/** Page, code, ONNX Runtime and its heap before any model; with two threads 484 to 502 MB in Chromium (bench:memory, shape `tiny`). */
const baseBytes = 520e6
/** Heap and stack of one kernel worker and of one thread of ONNX Runtime. */
const threadBytes = 20e6
/** Largest piece of a kernel's input, and of the matrix it adds to; see `split-gram.ts`. */
const pieceBytes = 16 * 2 ** 20
/** A thread has one piece at work, its copy in WASM memory, and the next piece waiting. */
const piecesPerThread = 3
/** ONNX Runtime's heap grows by fifths and never shrinks. */
const heapSlack = 1.2
/** Bytes of a `LogitState` a token: six f64 sums, two f64 targets, two i32 arg maxima, and the new state beside the old. */
const logitStateBytes = 2 * 72

/** Arrays of the size of an input that rounding it holds at one time: magnitudes, those below the threshold, steps, result. */
const roundingCopies = 4

/** Share of the memory limit that hidden states may take before they are read from storage. */
export const hiddenShare = 0.3

/**
 * A bound on the memory of all threads together, part by part. Depends on one block, the tokens and the number of recipes,
 * never on the number of blocks.
 */
export function memoryParts(
  graph: ModelGraph,
  run: {
    /** Tokens whose hidden states are kept, over the float model and every recipe. */
    readonly streamTokens: number
    readonly scoredTokens: number
    /** The longest window of any text. */
    readonly contextLength: number
    readonly recipes: number
    /** What a recipe gathers of its own inputs: nothing, G of one tap after the other, or G of all taps of a block. */
    readonly ownGrams: 'none' | 'one' | 'all'
    /** Whether a recipe compares its own inputs with the float model's. Default false. */
    readonly hasCrossTerm?: boolean
    /** Whether a recipe rounds the inputs of its linears. Default false. */
    readonly isInputRounded?: boolean
    /** Whether a recipe's transform learns from inputs. Default false. */
    readonly isTransformed?: boolean
    /** What the roundings hold while they work on the matrix that costs most. */
    readonly roundingBytes: number
    readonly threads: number
    readonly memoryLimitBytes: number
    /** f32 bytes of the largest piece of a matrix that is quantized at once. */
    readonly tileBytes: number
  },
): MemoryPart[] {
  if (run.streamTokens === 0) return quantizingParts(run)
  const { config } = graph
  const linears = graph.blocks[0]?.linears ?? []
  const block = 4 * blockOperations(linears)
  const largest = 4 * Math.max(0, ...linears.map((linear) => linear.inFeatures * linear.outFeatures))
  const widths = [...new Map(linears.map((linear) => [linear.tap, linear.inFeatures])).values()]
  const widest = Math.max(0, ...widths)
  const grams = widths.map((width) => 4 * width * width)
  const allGrams = sum(grams)
  const largestGram = Math.max(0, ...grams)
  const ownGrams = { none: 0, one: largestGram, all: allGrams }[run.ownGrams]
  const shape = { batch: windowsAtOnce(run.contextLength, config), length: run.contextLength }
  const widestTap = 4 * widest * shape.batch * shape.length
  const pieces = Math.min(pieceBytes, Math.max(largest, widestTap)) + Math.min(pieceBytes, largestGram / (run.threads === 1 ? 1 : 6))
  const hidden = 2 * 4 * config.hidden * run.streamTokens
  const rows = headTileRows(config.vocab, config.hidden)
  return [
    { what: 'program, ONNX Runtime and page', bytes: baseBytes + threadBytes * run.threads },
    { what: 'one block in f32, float and quantized', bytes: 2 * block },
    { what: 'the same in the forward engine', bytes: 2 * block },
    { what: 'a matrix, its codes and its error', bytes: 3 * largest },
    { what: 'pieces of work in the kernel threads', bytes: Math.ceil(piecesPerThread * run.threads * pieces) },
    { what: 'X^T X of the inputs of one block', bytes: allGrams + 2 * largestGram + ownGrams },
    { what: 'rounding one matrix', bytes: run.roundingBytes },
    { what: 'activations of a batch', bytes: Math.ceil(heapSlack * forwardBytes(config, shape, true)) + widestTap },
    // The float block runs beside the recipe's: its weights in the engine, what it computes, and how far the inputs are apart.
    ...(run.hasCrossTerm === true
      ? [
          {
            what: 'float inputs beside those of a recipe',
            bytes: 2 * block + ownGrams + Math.ceil(heapSlack * forwardBytes(config, shape, true)) + 2 * widestTap,
          },
        ]
      : []),
    // The block as it becomes; scaled, rounded and differing copies of its largest matrix; some columns of G; a sample of inputs of
    // every tap; hidden states before each half of the block, what the half adds in float, and what it adds in one try.
    ...(run.isTransformed === true
      ? [
          {
            what: 'a transformed block and its search',
            bytes:
              block +
              4 * largest +
              4 * Math.min(gramColumnsAtOnce, widest) * widest +
              sampleTokens * 4 * sum(widths) +
              lossTokens.all * 4 * 5 * config.hidden,
          },
        ]
      : []),
    ...(run.isInputRounded === true
      ? [{ what: 'inputs while they are rounded', bytes: Math.ceil(heapSlack * roundingCopies * widestTap) }]
      : []),
    { what: 'hidden states', bytes: Math.min(hidden, hiddenShare * run.memoryLimitBytes) },
    { what: 'embedding rows in use', bytes: Math.min(tableBytes, 4 * config.vocab * config.hidden) },
    { what: 'a tile of the head and its logits', bytes: (2 + run.recipes) * 4 * rows * config.hidden + 6 * 4 * headTokens * rows },
    { what: 'sums over scored tokens', bytes: logitStateBytes * run.scoredTokens * run.recipes },
  ]
}

/** Without forward passes no block is ever whole in memory: tiles of rows in work, and the threads' pieces. */
function quantizingParts({
  threads,
  recipes,
  tileBytes,
}: {
  readonly threads: number
  readonly recipes: number
  readonly tileBytes: number
}): MemoryPart[] {
  return [
    { what: 'program, ONNX Runtime and page', bytes: baseBytes + threadBytes * threads },
    { what: 'tiles of weights, as read and in f32', bytes: 2 * tilesAhead * tileBytes },
    { what: 'the same quantized', bytes: tilesAhead * tileBytes * recipes },
    { what: 'pieces of work in the kernel threads', bytes: piecesPerThread * threads * pieceBytes },
  ]
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
