import type { SourceFormat } from './source-format.ts'

/** Every form of quantized weights that opens: the files of `source-formats/`, in name order. */
export const sourceFormats: readonly SourceFormat[] = Object.values(
  import.meta.glob<SourceFormat>('./source-formats/*.ts', { eager: true, import: 'default' }),
)
