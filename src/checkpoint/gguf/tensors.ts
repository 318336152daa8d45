import type { FloatDType } from '../../core/dtype.ts'
import { StudioError } from '../../core/errors.ts'
import { widenValues } from '../../core/widen.ts'
import type { GgufTensorInfo } from '../../formats/gguf/types.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import { ggmlValues } from '../../kernels/ggml-values.ts'
import { linearPrefix, normNames } from '../../models/gguf-names.ts'
import type { ModelGraph } from '../../models/model-graph.ts'
import type { RowRange } from '../checkpoint.ts'
import type { QuantizedMatrix } from '../source-format.ts'
import type { StoredTensor } from '../stored-tensor.ts'

/** A tensor of a GGUF file and the file it is in. */
export interface PlacedTensor extends GgufTensorInfo {
  readonly source: ByteSource
}

/** What a tensor of the graph is called in the file, and whether its rows are in llama.cpp's order within each head. */
export interface GgufPlace {
  readonly name: string
  readonly isInterleaved: boolean
}

/** Checkpoint name of every tensor of the graph to its place in the file. */
export function ggufPlaces(graph: ModelGraph, isRopeInterleaved: boolean): ReadonlyMap<string, GgufPlace> {
  const places = new Map<string, GgufPlace>()
  const put = (name: string, inFile: string, isInterleaved = false): unknown => places.set(name, { name: inFile, isInterleaved })
  put(graph.embedding.name, 'token_embd.weight')
  for (const block of graph.blocks) {
    for (const [role, norm] of Object.entries(block.norms)) put(norm.name, `blk.${block.index}.${normNames[role] ?? role}.weight`)
    for (const { role, weight, bias } of block.linears) {
      const prefix = linearPrefix(block.index, role)
      const isInterleaved = isRopeInterleaved && (role === 'q' || role === 'k')
      put(weight, `${prefix}.weight`, isInterleaved)
      if (bias !== null) put(bias, `${prefix}.bias`, isInterleaved)
    }
  }
  put(graph.finalNorm.name, 'output_norm.weight')
  if (graph.head !== null) put(graph.head.name, 'output.weight')
  return places
}

const floatTypes: Readonly<Partial<Record<string, FloatDType>>> = { F32: 'F32', F16: 'F16', BF16: 'BF16' }

/** The tensor as it lies in the file, for types that the studio computes with and for sizes. */
export function storedTensor({ name, type, shape, offset, sizeBytes, source }: PlacedTensor): StoredTensor {
  return { name, dtype: floatTypes[type] ?? 'U8', shape, start: offset, end: offset + sizeBytes, source }
}

/** Whether the file's bytes are those that the studio reads: floats whose rows are in order. */
export function isPlain(tensor: PlacedTensor, place: GgufPlace): boolean {
  return floatTypes[tensor.type] !== undefined && !place.isInterleaved
}

/**
 * Rows of blocks, or of floats in llama.cpp's order of a head, as f32 in the order of the checkpoint. A vector counts as a column
 * of single elements. Throws `unsupported-dtype` for a type without values here.
 */
export function ggufMatrix(tensor: PlacedTensor, { isInterleaved }: GgufPlace, headDim: number): QuantizedMatrix {
  const { source, offset, sizeBytes, shape, type, name } = tensor
  const [rowCount = 1, columns = 1] = shape
  const rowBytes = sizeBytes / rowCount
  const float = floatTypes[type]
  if (float === undefined && !isGgmlType(type)) throw unsupported(source.name, name, type)
  const decode = (bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> => {
    if (float !== undefined) return widenValues(float, bytes)
    if (!isGgmlType(type)) throw unsupported(source.name, name, type)
    return ggmlValues(bytes, columns, type)
  }
  const read = async ({ rowStart, rowEnd }: RowRange, signal?: AbortSignal) =>
    decode(await source.read(offset + rowStart * rowBytes, offset + rowEnd * rowBytes, signal))
  const readInOrder = async (rows: RowRange, signal?: AbortSignal) => {
    if (!isInterleaved) return read(rows, signal)
    // Rows of a head are spread over it, so whole heads are read.
    const first = Math.floor(rows.rowStart / headDim) * headDim
    const last = Math.ceil(rows.rowEnd / headDim) * headDim
    const values = await read({ rowStart: first, rowEnd: last }, signal)
    const ordered = new Float32Array((rows.rowEnd - rows.rowStart) * columns)
    for (let row = rows.rowStart; row < rows.rowEnd; row++) {
      const from = interleavedRow(row, headDim) - first
      ordered.set(values.subarray(from * columns, (from + 1) * columns), (row - rows.rowStart) * columns)
    }
    return ordered
  }
  return { parts: [storedTensor(tensor)], load: () => Promise.resolve({ values: readInOrder, codes: null }) }
}

/** Where llama.cpp puts a row of q or k: the rows that rotate together, i and i + D/2 of a head, lie side by side in its files. */
function interleavedRow(row: number, headDim: number): number {
  const within = row % headDim
  const half = headDim / 2
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1)
}

function isGgmlType(type: string): type is GgmlType {
  return Object.hasOwn(ggmlTypes, type)
}

function unsupported(file: string, tensor: string, type: string): StudioError {
  return new StudioError('unsupported-dtype', {
    title: `Blocks of the type ${type} are not read`,
    message: `${tensor} of ${file} is in ${type}, which the studio cannot turn into weights.`,
    remedy: 'Take a file of this model in another type, or the folder that it was made of.',
    details: { file, tensor, type },
  })
}
