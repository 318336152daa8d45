import type { ModelConfig } from '../models/model-graph.ts'
import type { Device } from './device.ts'

/** What of a model decides its memory and speed. */
export interface ModelSize {
  /** Of the exported weights. */
  readonly weightBytes: number
  /** Of the input embedding, where it is not the head too: one row of it is read a token. */
  readonly unreadBytes: number
  readonly layers: number
  readonly hidden: number
  readonly intermediate: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocab: number
}

export interface Fit {
  readonly weightBytes: number
  /** Keys and values of the context, in half precision. */
  readonly cacheBytes: number
  /** Buffers of one pass over 512 tokens of prompt (or the context, if that is less), and the program itself. */
  readonly workBytes: number
  readonly totalBytes: number
  /** `tight` above nine tenths of what is usable. */
  readonly verdict: 'fits' | 'tight' | 'too-large'
  /** Tokens a second in decoding, from slow to fast; `null` for what does not fit: storage then sets a speed that nobody waits for. */
  readonly tokensPerSecond: readonly [number, number] | null
}

/** Tokens a second above which a figure says nothing: launching, sampling and text take longer than the weights. */
export const fastestTold = 1000

/** Tokens of a prompt that runtimes compute at once. */
const promptBatch = 512
/** The program, its tokenizer and threads; a browser's tab is larger, a microcontroller's firmware smaller. */
const programBytes = (device: Device): number => {
  if (device.group === 'microcontroller') return 64 * 1024
  return device.group === 'browser' ? 300e6 : 50e6
}

/**
 * Whether a model fits a device at a context length, and how fast it decodes one sequence: every weight is read once a token, so the
 * time is bytes over the share of bandwidth that runtimes reach, plus a term a layer. Cache and buffers follow llama.cpp's own sizes.
 */
export function fitOf(device: Device, model: ModelSize, contextLength: number): Fit {
  const cacheAToken = 2 * model.layers * model.kvHeads * model.headDim * 2
  const cacheBytes = cacheAToken * contextLength
  const batch = device.group === 'microcontroller' ? 1 : Math.min(promptBatch, contextLength)
  const widest = Math.max(model.vocab, 4 * model.hidden + 2 * model.intermediate)
  const workBytes = 4 * batch * widest + programBytes(device)
  const totalBytes = model.weightBytes + cacheBytes + workBytes
  const share = totalBytes / device.usableBytes
  const verdict = share <= 0.9 ? 'fits' : share <= 1 ? 'tight' : 'too-large'
  const readBytes = model.weightBytes - model.unreadBytes + (cacheAToken * contextLength) / 2
  const speed = (efficiency: number): number =>
    1 / (readBytes / (device.bandwidth * 1e9 * efficiency) + (model.layers * device.layerMs) / 1000)
  const [low, , high] = device.efficiency
  return {
    weightBytes: model.weightBytes,
    cacheBytes,
    workBytes,
    totalBytes,
    verdict,
    tokensPerSecond: verdict === 'too-large' ? null : [speed(low), speed(high)],
  }
}

/** Sizes from a model's settings; an embedding beside a head of its own takes its share of the file by its number of weights. */
export function modelSizeOf(
  config: ModelConfig,
  { weightBytes, parameters }: { readonly weightBytes: number; readonly parameters: number },
): ModelSize {
  const { layers, hidden, intermediate, kvHeads, headDim, vocab, isTied } = config
  const unreadBytes = isTied ? 0 : (weightBytes * vocab * hidden) / parameters
  return { weightBytes, unreadBytes, layers, hidden, intermediate, kvHeads, headDim, vocab }
}
