import type { FloatResult, LayerResult, ProtocolId, RecipeEvaluation } from '../evaluation/result.ts'
import type { CalibrationSummary, ImportanceSummary } from '../quantization/calibration-summary.ts'
import type { Recipe } from '../quantization/recipe.ts'

export interface ArtifactFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface Artifact {
  readonly target: string
  readonly files: readonly ArtifactFile[]
}

/** One recipe's results; `evaluation` fields are flattened as the command line documents them. */
export interface RecipeReport extends RecipeEvaluation {
  readonly id: string
  readonly recipe: Recipe
  readonly bitsPerWeight: number
  readonly blockBitsPerWeight: number
  readonly bytes: number
  readonly bytesOf: string
  readonly layers: readonly LayerResult[]
  readonly artifacts: readonly Artifact[]
  /** `kernels wasm x2, forward wasm x2`. */
  readonly backend: string
  /** Wall time spent on this recipe: quantizing, measuring, its forward passes. */
  readonly seconds: number
}

export interface RunReport {
  readonly studio: { readonly version: string; readonly onnxruntime: string }
  readonly createdAt: string
  readonly planHash: string
  readonly seed: number
  readonly model: {
    readonly name: string
    readonly family: string
    readonly architecture: string
    readonly parameters: number
    readonly sourceBytes: number
    readonly fingerprint: string
  }
  readonly evaluation: {
    readonly protocol: ProtocolId
    readonly contextLength: number
    readonly textName: string
    readonly tokens: number
    readonly float: FloatResult
  }
  /** `null` when no text was given to learn from. */
  readonly calibration: CalibrationSummary | null
  /** Of recipes that weigh errors by importance; `null` when there was nothing to learn it from. */
  readonly importance: ImportanceSummary | null
  readonly recipes: readonly RecipeReport[]
  readonly seconds: number
}
