/** What a person chooses about the files themselves. */
export interface ExportOptions {
  /** Files of weights are split at tensors so that none is larger, where the format has parts; `null` never splits. */
  readonly maxFileBytes: number | null
  /** Id of the device that the README beside the files is for (`src/devices`); `null` names the usual ways. */
  readonly device: string | null
  /** Values of the options that the format declares, by option id. Default: the first value of each. */
  readonly chosen?: Readonly<Record<string, string>>
}

/** As other tools write them: one file, whatever its size. */
export const defaultExportOptions: ExportOptions = { maxFileBytes: null, device: null }

/** A choice about the files that only some formats have. A format declares it; the page and the command line offer what is declared. */
export interface TargetOption {
  /** Key in `ExportOptions.chosen`, and the command line's `--id`. */
  readonly id: string
  /** A few words before the values. */
  readonly label: string
  /** One sentence: what the choice means. */
  readonly explanation: string
  /** By name; the first is taken unless a person chooses. */
  readonly values: readonly [string, ...string[]]
}

/** The value of an option that the format declares. */
export function chosenValue({ chosen }: ExportOptions, { id, values }: TargetOption): string {
  return chosen?.[id] ?? values[0]
}
