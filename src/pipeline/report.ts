import type { FloatResult, InputsId, LayerResult, ProtocolId, RecipeEvaluation } from '../evaluation/result.ts'
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

/** What is known of a recipe whether it was measured or not. */
export interface QuantizedReport {
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

/** One recipe's results; `evaluation` fields are flattened as the command line documents them. */
export interface RecipeReport extends QuantizedReport, RecipeEvaluation {}

interface RunFacts {
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
  /** `null` when no text was given to learn from. */
  readonly calibration: CalibrationSummary | null
  /** Of recipes that weigh errors by importance; `null` when there was nothing to learn it from. */
  readonly importance: ImportanceSummary | null
  readonly seconds: number
}

/** A run over a text. */
export interface MeasuredRun extends RunFacts {
  readonly evaluation: {
    readonly protocol: ProtocolId
    readonly contextLength: number
    readonly textName: string
    readonly inputs: InputsId
    readonly tokens: number
    readonly float: FloatResult
  }
  readonly recipes: readonly RecipeReport[]
}

/** A run that only quantized. */
export interface UnmeasuredRun extends RunFacts {
  readonly evaluation: null
  readonly recipes: readonly QuantizedReport[]
}

export type RunReport = MeasuredRun | UnmeasuredRun
