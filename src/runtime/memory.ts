import type { ModelConfig } from '../models/model-graph.ts'

/** Queries of one part of the attention; see `graphs/block.ts`. Smaller ones waste less on masked scores; measured with bench/forward.ts. */
const queriesPerPart = 64
/** More parts than this make the graph long without saving much. */
const largestPartCount = 16

/** In how many parts attention over windows of a length is done. */
export function attentionParts(length: number): number {
  return Math.min(Math.max(Math.ceil(length / queriesPerPart), 1), largestPartCount)
}

/** Queries in each of `parts` parts of a window; the last ones may be one shorter. */
export function partLengths(length: number, parts: number): readonly number[] {
  return Array.from({ length: parts }, (_, part) => Math.floor((length * (part + 1)) / parts) - Math.floor((length * part) / parts))
}

export interface BatchShape {
  readonly batch: number
  readonly length: number
}

/**
 * Bytes of the tensors a block holds beside its weights while it runs on [batch, length]: input and output, what its
 * linears and its widest part of attention hold at one time, and the taps when asked for. On WASM the heap's own slack
 * comes on top: it grows by fifths and never shrinks.
 */
export function forwardBytes(config: ModelConfig, { batch, length }: BatchShape, hasTaps = false): number {
  const tokens = batch * length
  const { hidden, heads, kvHeads, headDim, intermediate } = config
  const attention = heads * headDim
  const scores = batch * heads * Math.ceil(length / attentionParts(length)) * length
  const widest = Math.max(tokens * (2 * attention + 2 * kvHeads * headDim + hidden) + 2 * scores, tokens * 3 * intermediate)
  const taps = hasTaps ? tokens * (2 * hidden + attention + intermediate) : 0
  // input and output exist once outside and once inside ONNX Runtime's heap; so do the taps
  return 4 * (4 * tokens * hidden + widest + 2 * taps)
}
