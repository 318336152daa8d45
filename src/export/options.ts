/** What a person chooses about the files themselves, whatever the format. */
export interface ExportOptions {
  /** Files of weights are split at tensors so that none is larger, where the format has parts; `null` never splits. */
  readonly maxFileBytes: number | null
  /** Id of the device that the README beside the files is for (`src/devices`); `null` names the usual ways. */
  readonly device: string | null
  /** Type of activations and of what is on no grid, where the format has a choice. Default `f32`. */
  readonly activations?: 'f32' | 'f16'
}

/** As other tools write them: one file, whatever its size. */
export const defaultExportOptions: ExportOptions = { maxFileBytes: null, device: null }
