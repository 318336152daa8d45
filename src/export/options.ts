/** What a person chooses about the files themselves, whatever the format. */
export interface ExportOptions {
  /** Files of weights are split at tensors so that none is larger, where the format has parts; `null` never splits. */
  readonly maxFileBytes: number | null
}

/** As other tools write them: one file, whatever its size. */
export const defaultExportOptions: ExportOptions = { maxFileBytes: null }
