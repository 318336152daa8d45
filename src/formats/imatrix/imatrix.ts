/** What a run measured of the inputs of one weight matrix. */
export interface MeasuredInputs {
  /** Name of the weight as GGUF files have it: `blk.0.attn_q.weight`. */
  readonly name: string
  /** SUM over tokens of x^2 of each input column, [columns]. */
  readonly sums: Float32Array<ArrayBuffer>
  readonly tokens: number
}

/** An importance matrix to be written: the measurements and what they were taken on. */
export interface MeasuredImatrix {
  readonly dataset: string
  /** Windows of the text, and tokens in each. */
  readonly chunks: number
  readonly chunkSize: number
  readonly entries: readonly MeasuredInputs[]
}

/** An importance matrix that was read. Older files do not say how many tokens it was, so only means are known. */
export interface Imatrix {
  readonly datasets: readonly string[]
  /** 0 when the file does not say. */
  readonly chunks: number
  /** Mean of x^2 of each input column, by the name of the weight. Matrices of experts, several under one name, are left out. */
  readonly means: ReadonlyMap<string, Float32Array<ArrayBuffer>>
}

export type ImatrixFormat = 'gguf' | 'dat'
