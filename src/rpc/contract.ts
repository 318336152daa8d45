import type { ExportOptions, TargetOption } from '../export/options.ts'
import type { ModelConfig, TensorInfo } from '../models/model-graph.ts'
import type { RunEvent } from '../pipeline/events.ts'
import type { Plan, RunRequest } from '../pipeline/plan.ts'
import type { Artifact, RunReport } from '../pipeline/report.ts'
import type { SettingField } from '../quantization/axis-member.ts'
import type { RecipeChoices } from '../quantization/choices.ts'
import type { Recipe } from '../quantization/recipe.ts'

/**
 * What the page may ask of the pipeline worker. Plain data both ways; no tensor crosses except the few thousand numbers
 * of a chart. Faults arrive as `StudioError` with code, title and remedy intact; `signal` works across the thread.
 * Callbacks are called in order and never after the promise has settled.
 */
export interface StudioService {
  environment(): Promise<Environment>
  configure(settings: EngineSettings): Promise<Environment>

  openFiles(files: readonly DroppedFile[], onProgress: (progress: OpenProgress) => void, signal: AbortSignal): Promise<ModelSummary>
  openHub(request: HubRequest, onProgress: (progress: OpenProgress) => void, signal: AbortSignal): Promise<ModelSummary>
  openSample(signal: AbortSignal): Promise<ModelSummary>
  closeModel(): Promise<void>
  /** Reads one tensor. */
  describeTensor(name: string, signal: AbortSignal): Promise<TensorDescription>

  catalogue(): Promise<Catalogue>
  /** A preset id or a recipe as JSON text, validated; throws `recipe-invalid`. */
  parseRecipe(idOrJson: string): Promise<Recipe>
  /** Recipes as the fragment of a link, `recipes=<base64url of deflated JSON>`, without `#`. */
  recipeLink(recipes: readonly Recipe[]): Promise<string>
  /** The inverse, validated; with or without `#`. Throws `recipe-invalid`. */
  recipesFromLink(fragment: string): Promise<Recipe[]>
  /** The headless command for these recipes on a model: preset ids where they say it all, JSON otherwise. */
  commandLine(model: string, recipes: readonly Recipe[], targets: readonly string[]): Promise<string>
  /**
   * A text of a data set of the Hub to calibrate or measure on, its tokens counted with the open model's tokenizer. Bytes come
   * from the Hub; nothing but the request goes there.
   */
  hubText(request: HubTextQuestion, onProgress: (progress: OpenProgress) => void, signal: AbortSignal): Promise<HubText>
  /** Sizes and bounds of a request on the open model; a request without recipes is fine. */
  plan(request: RunRequest): Promise<Plan>
  /** What a recipe could take on each axis while the others stay, on the open model if there is one; reasons for the rest. */
  choices(recipe: Recipe): Promise<RecipeChoices>
  /** The values a recipe's grid offers on a histogram of this half width; and how a tensor would be stored. */
  gridValues(recipe: Recipe, tensor: string, limit: number): Promise<{ readonly values: readonly number[]; readonly storedAs: string }>
  /** What a few rows of a few matrices tell about a recipe before it runs. */
  riskCheck(recipe: Recipe, signal: AbortSignal): Promise<RiskCheck>

  /** Runs or resumes (same plan hash) and resolves with the report. Abort stops at the next batch; finished blocks stay. */
  run(request: RunRequest, onEvent: (event: RunEvent) => void, signal: AbortSignal): Promise<RunReport>
  /** A run of this model that was stopped and can go on. */
  unfinishedRun(): Promise<UnfinishedRun | null>
  discardRun(planHash: string): Promise<void>

  /** The same prompt continued by float and by each recipe of the last run. */
  generate(request: GenerateRequest, onEvent: (event: GenerateEvent) => void, signal: AbortSignal): Promise<readonly Continuation[]>

  /**
   * Writes one recipe to one format: into the handle when the person chose a place, else into OPFS (then `readExport`).
   * Written, hashed, read back and compared before it resolves; on a fault nothing is left.
   */
  exportRecipe(request: ExportRequest, onProgress: (progress: ExportProgress) => void, signal: AbortSignal): Promise<ExportResult>
  /** The importance matrix that a finished run measured, as a file of llama.cpp. Throws `usage` for a run without a calibration text. */
  importanceFile(planHash: string, format: 'gguf' | 'dat'): Promise<File>
  /** A file written to OPFS, for a download link. */
  readExport(path: string): Promise<File>

  storage(): Promise<StorageOverview>
  clearStorage(kind: 'hub' | 'runs' | 'exports'): Promise<StorageOverview>
}

export interface Environment {
  readonly crossOriginIsolated: boolean
  readonly threads: number
  /** `null` without an adapter. */
  readonly webgpu: { readonly vendor: string; readonly architecture: string; readonly isSoftware: boolean } | null
  /** What a run would use now. */
  readonly forwardBackend: string
  readonly kernelBackend: string
  /** Every operation of the kernels: whether the graphics card does it here, or why not; empty where that was not asked. */
  readonly webgpuKernels: readonly { readonly operation: string; readonly support: true | string; readonly note?: string }[]
  readonly freeStorageBytes: number
  readonly memoryLimitBytes: number
  /** Where bytes may come from besides this page. */
  readonly hubEndpoint: string
}

export interface EngineSettings {
  readonly backend: 'automatic' | 'webgpu' | 'wasm'
  /** `null`: as many as cores, at most 16. */
  readonly threads: number | null
  readonly memoryLimitBytes: number
  readonly hubEndpoint: string
}

export interface DroppedFile {
  /** Path inside the dropped folder. */
  readonly path: string
  readonly file: File
}

export interface HubRequest {
  /** `owner/name` or `owner/name@revision`. */
  readonly id: string
  /** Held in memory only. */
  readonly accessToken: string | null
}

export interface HubTextQuestion {
  /** `owner/name`, what of it behind colons (`owner/name:subset:split:column`), or the address of its page. */
  readonly id: string
  /** Held in memory only. */
  readonly accessToken: string | null
  readonly purpose: 'calibration' | 'evaluation'
  /** Documents are taken until they have so many tokens. */
  readonly wantedTokens: number
  /** Draws where a calibration text begins. */
  readonly seed: number
}

export interface HubText {
  /** `owner/name subset split @commit`. */
  readonly name: string
  /** Documents with empty lines between them, or JSON lines where they are conversations. */
  readonly text: string
  readonly documents: number
  readonly tokens: number
}

export interface OpenProgress {
  readonly text: string
  readonly filesDone: number
  readonly files: number
  readonly bytesRead: number
}

export interface ModelSummary {
  readonly name: string
  readonly originKind: 'files' | 'hub' | 'sample'
  readonly fingerprint: string
  readonly familyId: string
  readonly architecture: string
  readonly config: ModelConfig
  readonly parameters: number
  readonly sourceBytes: number
  readonly tensors: readonly TensorRow[]
  readonly hasChatTemplate: boolean
  /** Texts that came with it (the sample) to start with. */
  readonly bundledTexts: readonly { readonly id: 'calibration' | 'evaluation'; readonly name: string; readonly text: string }[]
}

export interface TensorRow extends TensorInfo {
  /** -1 outside blocks. */
  readonly block: number
  readonly role: string
  readonly isQuantizable: boolean
}

export interface TensorDescription {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly standardDeviation: number
  readonly zeroCount: number
  readonly limit: number
  /** 61 equal bins over [-limit, limit]. */
  readonly histogram: readonly number[]
  /** Largest |w| of each input channel over the median channel; at most 4096 values (max per pixel). */
  readonly channelRatios: readonly number[]
  readonly channels: number
  readonly loudestChannels: readonly { readonly channel: number; readonly ratio: number }[]
  readonly outlierRatio: number
  /** Rows that the figures are made from; fewer than `rows` for matrices above 64 MiB, then evenly spread. Default all. */
  readonly rowsSeen?: number
  readonly rows?: number
}

/** One matrix of a risk check, from some of its rows. */
export interface LayerRisk {
  readonly name: string
  readonly block: number
  readonly role: string
  /** |W - Q| / |W|, rounded to nearest; `null` where the grid cannot be rounded so. */
  readonly relativeError: number | null
  /** Largest |w| of the loudest input channel over that of the median channel. */
  readonly outlierRatio: number
  readonly loudestChannel: number
}

/** Another setting of the same grid, measured on the same rows. */
export interface RiskRemedy {
  readonly label: string
  readonly recipe: Recipe
  /** Its error over the recipe's own: below 1 is better. */
  readonly errorRatio: number
  /** Bits a weight more than the recipe takes. */
  readonly extraBits: number
}

export interface RiskCheck {
  readonly recipeId: string
  /** Matrices in blocks that the recipe quantizes; `layers` are some of them. */
  readonly linears: number
  readonly layers: readonly LayerRisk[]
  /** The best first. */
  readonly remedies: readonly RiskRemedy[]
  /** What could be done to the model first; not measured here. */
  readonly transforms: readonly { readonly title: string; readonly recipe: Recipe }[]
}

export interface Catalogue {
  /** Systematic presets, in the order to show them. */
  readonly presets: readonly { readonly recipe: Recipe; readonly title: string; readonly explanation: string }[]
  /** Named sets for the top of the Recipes screen. */
  readonly sets: readonly { readonly id: string; readonly title: string; readonly text: string; readonly recipeIds: readonly string[] }[]
  readonly axes: Readonly<Record<'transform' | 'grid' | 'rounding' | 'allocation', readonly AxisMember[]>>
  readonly targets: readonly CatalogueTarget[]
}

export interface CatalogueTarget {
  readonly id: string
  readonly title: string
  readonly explanation: string
  readonly options: readonly TargetOption[]
}

export interface AxisMember {
  readonly kind: string
  readonly title: string
  readonly explanation: string
  readonly fields: readonly SettingField[]
  /** Of transforms and roundings: whose inputs on the calibration text they learn from. */
  readonly learnsFrom?: 'none' | 'float' | 'own'
}

export interface UnfinishedRun {
  readonly planHash: string
  readonly request: RunRequest
  readonly blocksDone: number
  readonly blocks: number
  readonly storedBytes: number
  readonly stoppedAt: string
}

export interface GenerateRequest {
  readonly prompt: string
  readonly maxTokens: number
  /** 0 is greedy. */
  readonly temperature: number
  readonly seed: number
  /** Report to continue with; its weights are still stored. */
  readonly planHash: string
  readonly recipeIds: readonly string[]
}

export interface GenerateEvent {
  /** `null` for float. */
  readonly recipeId: string | null
  readonly tokens: number
  readonly text: string
}

export interface Continuation {
  /** `null` for float. */
  readonly recipeId: string | null
  readonly tokenIds: readonly number[]
  /** Text of each token, for marking the first that differs. */
  readonly pieces: readonly string[]
  readonly text: string
  /** Index of the first token that differs from float; `null` when none does. */
  readonly firstDifference: number | null
  readonly tokensPerSecond: number
}

export interface ExportRequest {
  readonly planHash: string
  readonly recipeId: string
  readonly targetId: string
  readonly options: ExportOptions
  /** From the save picker: a file for one-file targets, a folder otherwise; `null` writes to OPFS. */
  readonly destination: FileSystemFileHandle | FileSystemDirectoryHandle | null
}

export type ExportStep = 'writing' | 'reading-back' | 'comparing' | 'hashing' | 'done'

export interface ExportProgress {
  readonly step: ExportStep
  readonly path: string
  readonly bytesDone: number
  readonly bytes: number
}

export interface ExportResult extends Artifact {
  readonly recipeId: string
  /** OPFS paths for `readExport`, empty when a destination was given. */
  readonly storedPaths: readonly string[]
  /** What to type on the device, from the README. */
  readonly firstCommand: string | null
  readonly notes: readonly string[]
}

export interface StorageOverview {
  readonly hubBytes: number
  readonly runBytes: number
  readonly exportBytes: number
  readonly freeBytes: number
}
