import type { Checkpoint, RowRange } from '../checkpoint/checkpoint.ts'
import type { Support } from '../core/support.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { InputRounding } from '../kernels/contract/activations.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { ImportanceSummary } from '../quantization/calibration-summary.ts'
import type { QuantizedTensor, TensorEncoding } from '../quantization/quantized-tensor.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { ExportOptions, TargetOption } from './options.ts'

/** What an export may read. Tensors are fetched one at a time; the walk's storage is behind it. */
export interface ExportSource {
  readonly checkpoint: Checkpoint
  /** The model as the recipe's transform leaves it: its tensors are those of the file. */
  readonly graph: ModelGraph
  readonly recipe: Recipe
  readonly options: ExportOptions
  /**
   * Name in `graph` of every tensor that the walk stored to how it is stored: on a grid, or as floats (encoding `float`) where a
   * transform changed it. Tensors not in it are those of the checkpoint.
   */
  readonly encodings: ReadonlyMap<string, TensorEncoding>
  /**
   * How the inputs of linears are rounded in the figures of the run, by checkpoint name of the weight; linears that are not named
   * take floats. Before a run the scale of `int8-tensor` is NaN: calibration finds it.
   */
  readonly inputModes: ReadonlyMap<string, InputRounding>
  /** Where importance comes from; recorded in files whose recipe used it. */
  readonly importance: ImportanceSummary | null
  /**
   * Rows of a tensor that is on no grid, in f32: as a transform left it, else the checkpoint's; a vector is one row. Only called
   * after the walk has finished. Throws `storage-fault`.
   */
  readFloat(name: string, rows: RowRange, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>
  /**
   * A tensor that is on a grid, in tiles of consecutive rows, in order: no more than a tile of it is ever in memory. A tile holds until
   * anything else is asked of the source, since its memory is used again. Only called after the walk has finished. Throws
   * `storage-fault`, with `isChecked` false not for bytes that have changed.
   */
  readTiles(
    name: string,
    signal?: AbortSignal,
    options?: { readonly isChecked?: boolean },
  ): AsyncIterable<{ readonly rowStart: number; readonly tile: QuantizedTensor }>
  /** Of the bytes of those tiles as they were quantized. Only called after the walk has finished. Throws `storage-fault`. */
  checksums(name: string): readonly TileChecksum[]
}

/** XXH64, hex, of consecutive rows of a stored tensor. */
export interface TileChecksum {
  readonly rowStart: number
  /** Exclusive. */
  readonly rowEnd: number
  readonly checksum: string
}

/** What is known before a run: no bytes. `ExportSource` is assignable to it. */
export type ExportFacts = Omit<ExportSource, 'readFloat' | 'readTiles' | 'checksums'>

/** A file that holds stored matrices as they are stored, so that a run may store them there at once. */
export interface InPlace {
  /** Where the first row of each such matrix begins, by name; the others follow without gaps. */
  readonly offsets: ReadonlyMap<string, number>
  /** Everything else of the file, piece by piece, each of which holds until the next one is asked for. */
  rest(source: ExportSource, signal?: AbortSignal): AsyncIterable<{ readonly at: number; readonly bytes: Uint8Array<ArrayBuffer> }>
}

export interface ExportedFile {
  /** Path inside the target's folder. */
  readonly path: string
  /** Exact, known before the first byte. */
  readonly sizeBytes: number
  /** The model once more in another form; it does not count when the size of a recipe is told. */
  readonly isCopy?: true
  /** Absent where nothing lies in the file as it is stored. */
  readonly inPlace?: InPlace
  /** Streams the file in order; pieces of at most 64 MiB, each of which holds until the next one is asked for. */
  write(source: ExportSource, signal?: AbortSignal): AsyncIterable<Uint8Array<ArrayBuffer>>
  /**
   * Reads the written file back: parses it anew and compares every tensor with the stored one, by its bytes or by
   * its dequantized weights.
   * Throws `proof-failed` naming the tensor. Absent for small text files, which are compared by hash alone.
   */
  verify?(source: ExportSource, written: ByteSource, options: { readonly kernels: Kernels; readonly signal?: AbortSignal }): Promise<void>
}

/** Bytes of files, the model once. */
export function sizeOf(files: readonly ExportedFile[]): number {
  return files.reduce((sum, { sizeBytes, isCopy }) => (isCopy === true ? sum : sum + sizeBytes), 0)
}

/** A file format. One file in `targets/` each, default export. */
export interface ExportTarget {
  /** Command-line id: `gguf`, `gptq`. */
  readonly id: string
  readonly title: string
  /** Where it runs, one sentence. */
  readonly explanation: string
  /** What a person may choose about its files. Default: nothing. */
  readonly options?: readonly TargetOption[]
  /** Whether this recipe on this model can be written, decided from headers alone. */
  supports(facts: ExportFacts): Support
  /** Things worth knowing that are not refusals ("2 tensors stay F16: rows of 172 are not a multiple of 32"). */
  notes(facts: ExportFacts): readonly string[]
  /** Pure: all files with their exact sizes. */
  layout(facts: ExportFacts): readonly ExportedFile[]
}
