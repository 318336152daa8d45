import type { RuntimeRounding } from '../kernels/contract/activations.ts'
import type { BlockHalf } from '../models/block-halves.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { BlockActivationModes } from './graphs/activations.ts'

/**
 * Forward passes of a model, block by block, with weights as inputs. Implemented in `engines/` over ONNX Runtime; nothing
 * else knows it. One session serves every block of a shape and every recipe.
 */
export interface ForwardEngine {
  /** `wasm x2` or `webgpu (vendor architecture)`, recorded in results. */
  readonly backend: string
  /** Prepares sessions for this model. Throws `engine-failed` or `device-lost`. */
  openModel(graph: ModelGraph, signal?: AbortSignal): Promise<ModelRunner>
  close(): Promise<void>
}

/**
 * f32 weights of one block: linears by role ([out, in]), biases as `<role>.bias`, norms by role; and `<role>.rowScales` ([out]) with
 * what one code means in each row of a linear whose output is rounded.
 */
export type BlockWeights = Readonly<Record<string, Float32Array<ArrayBuffer>>>

/** Activations of B windows of S tokens: [batch, length, width] row-major. */
export interface Activations {
  readonly data: Float32Array<ArrayBuffer>
  readonly batch: number
  readonly length: number
  readonly width: number
}

/** Keys and values kept for generation, one pair a block. Opaque to callers. */
export interface BlockCache {
  readonly length: number
}

export interface ModelRunner {
  /**
   * Makes a block's weights resident for any number of `run` calls, so that on WebGPU they are uploaded once.
   * `release` must be called. `modes` say how inputs of its linears are rounded; default floats.
   */
  loadBlock(weights: BlockWeights, modes?: BlockActivationModes): Promise<LoadedBlock>
  /** The same for one half of it, which takes its own norm, linears and biases from among the weights. */
  loadHalf(half: BlockHalf, weights: BlockWeights): Promise<LoadedHalf>
  /**
   * Final norm and head on [n, hidden] rows: logits [n, rowEnd - rowStart] for head rows [rowStart, rowEnd). `mode` says how the
   * head's inputs are rounded; default floats.
   */
  loadHeadTile(finalNorm: Float32Array<ArrayBuffer>, headRows: Float32Array<ArrayBuffer>, mode?: RuntimeRounding): Promise<LoadedHeadTile>
  close(): Promise<void>
}

/** What a pass shows beside its output. */
export interface BlockTaps {
  /** Inputs of the linears by tap name, [batch * length, inFeatures]. */
  readonly taps?: Readonly<Record<string, Float32Array<ArrayBuffer>>>
  /** Largest magnitude in the output of each linear by role, [batch * length]. */
  readonly ranges?: Readonly<Record<string, Float32Array<ArrayBuffer>>>
}

export interface LoadedBlock {
  /** Causal self-attention from position 0 over each window. `ranges` comes with `taps`. */
  run(
    input: Activations,
    options?: { readonly taps?: boolean; readonly ranges?: boolean },
  ): Promise<{ readonly output: Activations } & BlockTaps>
  /** One step of generation: tokens after those in `cache` (`null` at the start); batch 1. Returns the longer cache. */
  step(input: Activations, cache: BlockCache | null): Promise<{ readonly output: Activations; readonly cache: BlockCache }>
  release(): Promise<void>
}

export interface LoadedHalf {
  /** From the hidden states before the half what it adds to them, [batch, length, hidden]; each window is from position 0. */
  run(input: Activations): Promise<Float32Array<ArrayBuffer>>
  release(): Promise<void>
}

export interface LoadedHeadTile {
  readonly width: number
  /** [tokens, width]. */
  run(hidden: Float32Array<ArrayBuffer>, tokens: number): Promise<Float32Array<ArrayBuffer>>
  release(): Promise<void>
}
