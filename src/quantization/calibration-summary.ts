/** What a run was calibrated on, as reports and files record it. */
export interface CalibrationSummary {
  readonly textName: string
  readonly windows: number
  /** Tokens a window. */
  readonly contextLength: number
  readonly tokens: number
}
