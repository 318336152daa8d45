import type { FloatDType } from '../core/dtype.ts'

/** Rotary position scaling, canonical form of `rope_scaling` / `rope_parameters`. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalMaxPositions: number
    }

/**
 * How a block is wired: what the roles of its linears and norms mean. Each field is a union that has one member until a
 * family needs another; whoever computes with it switches exhaustively, so a new member points at every place to extend.
 */
export interface BlockDesign {
  /** `pre`: h += A(norm(h)); h += M(norm(h)). */
  readonly wiring: 'pre'
  /** `rms`: x / rms(x) * gain. */
  readonly norm: 'rms'
  /** `split`: q, k and v are linears of their own. */
  readonly attention: 'split'
  /** `gated`: down(act(gate x) * up x). */
  readonly mlp: 'gated'
  /** `rope-half`: pairs are (i, i + headDim / 2) over the whole head. */
  readonly position: 'rope-half'
}

/** The numbers of a decoder after defaults are filled in: the same names for every family. */
export interface ModelConfig {
  readonly layers: number
  /** Width of the residual stream. */
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  /** Width of one head; may differ from hidden / heads. */
  readonly headDim: number
  /** Width of the MLP. */
  readonly intermediate: number
  readonly vocab: number
  /** Longest context that is computed exactly: positions the model was made for, capped by a sliding window in use. */
  readonly maxPositions: number
  /** Positions the model was made for, whatever its windows. */
  readonly positions: number
  readonly normEps: number
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  /** The head is the embedding matrix. */
  readonly isTied: boolean
  readonly activation: 'silu'
  readonly bosTokenId: number | null
  readonly eosTokenIds: readonly number[]
}

export interface TensorSpec {
  readonly name: string
  /** PyTorch order: [out, in] for a linear. */
  readonly shape: readonly number[]
}

/** A linear of a block: y = x W^T (+ b), W of shape [outFeatures, inFeatures]. */
export interface LinearSpec {
  /** Role inside the block, equal in all blocks: `q`, `k`, `v`, `o`, `gate`, `up`, `down`. */
  readonly role: string
  /** Checkpoint name of the weight. */
  readonly weight: string
  /** Checkpoint name of the bias, if it has one. */
  readonly bias: string | null
  readonly inFeatures: number
  readonly outFeatures: number
  /** Linears of one tap share their input, so also G = X^T X. Taps in execution order are the true-sequential order. */
  readonly tap: string
}

export interface BlockSpec {
  readonly index: number
  readonly linears: readonly LinearSpec[]
  /** Everything else of the block that runs in float: role (`attnIn`, `mlpIn` norms; a bias is `<role>.bias`) to tensor. */
  readonly norms: Readonly<Record<string, TensorSpec>>
  /** Keys that a query sees, its own included, where the block does not see all before it. */
  readonly window?: number
}

/** A checkpoint understood: what is computed, from which tensors. Pure data, made from config.json alone. */
export interface ModelGraph {
  readonly familyId: string
  /** `architectures[0]` or model_type, for display. */
  readonly architecture: string
  readonly config: ModelConfig
  readonly design: BlockDesign
  readonly embedding: TensorSpec
  readonly finalNorm: TensorSpec
  /** `null` when tied. */
  readonly head: TensorSpec | null
  readonly blocks: readonly BlockSpec[]
}

/** One tensor as the checkpoint stores it. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: FloatDType
  readonly shape: readonly number[]
  readonly sizeBytes: number
}
