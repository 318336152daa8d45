import type { ModelFamily, RawConfig } from '../models/family.ts'
import type { ModelGraph, TensorInfo } from '../models/model-graph.ts'

/** The small text files beside the weights, as they are; copied into exports. */
export interface TokenizerFiles {
  readonly tokenizerJson: Readonly<Record<string, unknown>>
  readonly tokenizerConfig: Readonly<Record<string, unknown>>
  readonly generationConfig: Readonly<Record<string, unknown>> | null
  /** From chat_template.jinja or tokenizer_config.json. */
  readonly chatTemplate: string | null
}

/**
 * An opened model: headers read and checked against the family's expectations, tensor bytes still where they are.
 * Opening has proved: every expected tensor exists with its shape, dtypes are supported, offsets are sound.
 */
export interface Checkpoint {
  /** Folder name, Hub id or sample id. */
  readonly name: string
  /** Where it came from; two openings of the same bytes have the same fingerprint (config, headers, samples of the weights). */
  readonly origin: { readonly kind: 'files' | 'hub' | 'sample'; readonly fingerprint: string }
  readonly family: ModelFamily
  readonly graph: ModelGraph
  readonly rawConfig: RawConfig
  readonly tokenizerFiles: TokenizerFiles
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Sentences worth showing that are no faults: tensors left aside, a context capped by a sliding window. */
  readonly notes: readonly string[]
  /** Element count over all tensors of the graph. */
  readonly parameters: number
  /** Bytes of those tensors as stored. */
  readonly sourceBytes: number
  /**
   * Rows [rowStart, rowEnd) of a tensor as stored (a vector counts as one row; default all). The caller owns the result.
   * Throws `StudioError`: `file-damaged`, hub codes, `aborted`.
   */
  readRaw(tensor: string, rows?: RowRange, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  /** The same into memory of the caller's, of exactly the size of those rows. */
  readRawInto(into: Uint8Array, tensor: string, rows: RowRange, signal?: AbortSignal): Promise<void>
  /** The same widened to f32 (exact). Does not check for NaN; the walk does, per tensor. */
  readFloat(tensor: string, rows?: RowRange, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>
  /** Releases handles and caches. */
  close(): Promise<void>
}

export interface RowRange {
  readonly rowStart: number
  /** Exclusive. */
  readonly rowEnd: number
}
