/** What a run was calibrated on, as reports and files record it. */
export interface CalibrationSummary {
  readonly textName: string
  readonly windows: number
  /** Tokens a window. */
  readonly contextLength: number
  readonly tokens: number
  /** Different ids among them, of the vocabulary's so many. */
  readonly distinctTokens: number
  readonly vocabulary: number
  /** Whether its documents were put into the model's chat template. */
  readonly usesChatTemplate: boolean
  /** Share of it that is in the evaluation text too, from 0 to 1. */
  readonly sharedWithEvaluation: number
}

/** Where the importance of inputs came from, as reports and files record it. */
export interface ImportanceSummary {
  readonly fileName: string
  readonly dataset: string
  readonly chunks: number
  /** Matrices it knows. */
  readonly entries: number
}
