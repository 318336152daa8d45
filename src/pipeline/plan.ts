import type { InputsId, ProtocolId } from '../evaluation/result.ts'
import type { Recipe } from '../quantization/recipe.ts'

/** What to measure on: text in, windows out. */
export interface EvaluationSettings {
  readonly text: string
  /** Name of the text for reports ("Bundled stories", a file name). */
  readonly textName: string
  readonly protocol: ProtocolId
  /** Tokens a window. */
  readonly contextLength: number
  /** Upper bound on tokens run through the model; `null` for all. */
  readonly maxTokens: number | null
  /** Of recipes; the float model takes floats, and so does all that recipes learn from. */
  readonly inputs: InputsId
}

/** Text that recipes may learn from and whose activations weigh the layer errors; the latter use the evaluation text without it. */
export interface CalibrationSettings {
  readonly text: string
  readonly textName: string
  readonly maxTokens: number
  /** Tokens a window. */
  readonly contextLength: number
  /**
   * Whether each document of the text (a line of JSON lines, else some paragraphs) is put into the model's chat template: a
   * conversation as it is, a text as the answer to a neutral request.
   */
  readonly usesChatTemplate: boolean
}

/** An imatrix file of llama.cpp that recipes weigh errors by, instead of measuring importance on a text. */
export interface ImportanceSettings {
  readonly fileName: string
  /** Its bytes in base64: a few megabytes, and part of what names a run. */
  readonly base64: string
}

export interface RunRequest {
  readonly recipes: readonly Recipe[]
  /** `null`: quantize only. No perplexity, and no forward pass unless a recipe calibrates. */
  readonly evaluation: EvaluationSettings | null
  readonly calibration: CalibrationSettings | null
  readonly importance: ImportanceSettings | null
  readonly seed: number
}

/** Something to know before a run. `error` forbids it. */
export interface PlanIssue {
  readonly severity: 'error' | 'warning' | 'note'
  /** Recipe it is about, `null` for the run as a whole. */
  readonly recipeId: string | null
  readonly title: string
  readonly text: string
  readonly remedy: string
}

export interface RecipePlan {
  readonly recipeId: string
  /** Exact bytes of the file(s) of `bytesOf`. */
  readonly bytes: number
  /** Export target whose files `bytes` counts, or `stored` when no format can hold the recipe. */
  readonly bytesOf: string
  /** 8 * bytes / parameters. */
  readonly bitsPerWeight: number
  /** The same over the block linears alone, scales included. */
  readonly blockBitsPerWeight: number
  /** Every target: possible, or the sentence why not. */
  readonly targets: readonly {
    readonly id: string
    readonly support: true | string
    readonly bytes: number
    readonly notes: readonly string[]
    /** What each value of each of its options would give while the others are at their first. */
    readonly options: readonly {
      readonly id: string
      readonly values: readonly { readonly value: string; readonly support: true | string; readonly bytes: number }[]
    }[]
  }[]
  /** One line in words: `affine 4 bit, groups of 32, nearest`. */
  readonly summary: string
}

/** Everything known before the first weight is read. Pure: from headers, config, texts' token counts and the request. */
export interface Plan {
  /** SHA-256 of model fingerprint and request; names the run in storage. */
  readonly hash: string
  readonly recipes: readonly RecipePlan[]
  /** Bound on memory of all threads together, and what it is made of. */
  readonly peakMemoryBytes: number
  readonly memoryParts: readonly { readonly what: string; readonly bytes: number }[]
  /** Most that the run has in storage at once: packed tensors, which stay until cleared, and hidden states, which do not. */
  readonly storageBytes: number
  readonly freeStorageBytes: number
  readonly evaluationTokens: number
  readonly scoredTokens: number
  /** 0 without a calibration text. */
  readonly calibrationTokens: number
  /** Different ids among the calibration tokens, and ids in the vocabulary; `null` without a calibration text. */
  readonly calibrationCoverage: { readonly distinct: number; readonly vocabulary: number } | null
  /** Estimate per backend, from flops and this machine's measured rates; `null` before a rate is known. */
  readonly seconds: readonly { readonly backend: string; readonly seconds: number | null }[]
  readonly issues: readonly PlanIssue[]
}
