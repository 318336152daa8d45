import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { type GgufFile, readGguf } from '../../formats/gguf/read.ts'
import type { GgufEntry } from '../../formats/gguf/types.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { checksumOf } from '../../io/checksum.ts'
import { readInto } from '../../io/read-into.ts'
import { Scratch } from '../../io/scratch.ts'
import { ggmlBytes } from '../../kernels/contract/ggml.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { asMatrix, readAsHalf } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { ExportSource, TileChecksum } from '../target.ts'
import { separateRows } from './head-rows.ts'
import { piecesOf, rowBytes, storedPieces } from './tensor-bytes.ts'
import type { PlannedTensor } from './tensors.ts'

/** What a file must hold. */
export interface ExpectedGguf {
  readonly tensors: readonly PlannedTensor[]
  readonly entries: readonly GgufEntry[]
}

/** Parses the written file with the strict reader, then compares all metadata and every tensor with what is stored. */
export async function verifyGguf(
  expected: ExpectedGguf,
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const file = await parseBack(written, signal)
  for (const [index, entry] of expected.entries.entries()) {
    if (!sameEntry(file.metadata[index], entry)) throw proofFailed(`The setting ${entry.key}`, 'differs after reading back')
  }
  if (file.metadata.length !== expected.entries.length || file.tensors.length !== expected.tensors.length) {
    throw proofFailed('The header', 'lists other settings or tensors after reading back')
  }
  const scratch = new Scratch()
  for (const [index, tensor] of expected.tensors.entries()) {
    throwIfAborted(signal)
    const info = file.tensors[index]
    const { name, type, shape } = tensor.spec
    if (info?.name !== name || info.type !== type || info.shape.join() !== shape.join()) {
      throw proofFailed(`Tensor ${name}`, 'has another name, type or shape after reading back')
    }
    await verifyTensor({ tensor, offset: info.offset, written, scratch, kernels }, source, signal)
  }
}

async function parseBack(written: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  try {
    return await readGguf(written, signal)
  } catch (error) {
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The header', `cannot be read back: ${error.message}`)
    throw error
  }
}

function sameEntry(found: GgufEntry | undefined, wanted: GgufEntry): boolean {
  if (found?.key !== wanted.key || found.value.type !== wanted.value.type) return false
  if (found.value.type === 'array' && wanted.value.type === 'array') {
    const { value, of } = wanted.value
    return (
      found.value.of === of && found.value.value.length === value.length && found.value.value.every((each, i) => Object.is(each, value[i]))
    )
  }
  return Object.is(found.value.value, wanted.value.value)
}

interface WrittenTensor {
  readonly tensor: PlannedTensor
  readonly offset: number
  readonly written: ByteSource
  readonly scratch: Scratch
  readonly kernels: Kernels
}

async function verifyTensor(item: WrittenTensor, source: ExportSource, signal?: AbortSignal): Promise<void> {
  const { tensor } = item
  const { spec, from } = tensor
  const { headDim } = source.graph.config
  const { columns } = asMatrix(spec.shape)
  if (from.kind === 'stored') {
    if (!(await hasChecksums(item, source.checksums(from.name), headDim, signal))) throw await differenceOf(item, from.name, source, signal)
    return
  }
  for (const rows of piecesOf(tensor, headDim)) {
    throwIfAborted(signal)
    const found = await writtenRows(item, rows, headDim, signal)
    const values = await dequantize(item, found, signal)
    proveEqual(`Tensor ${spec.name}`, values, await floatValues(tensor, source, rows, signal), rows.rowStart * columns)
  }
}

/** Whether rows of the file have the checksums that were taken when they were quantized: equal blocks are equal weights. */
async function hasChecksums(
  item: WrittenTensor,
  tiles: readonly TileChecksum[],
  headDim: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const bytesARow = rowBytes(item.tensor)
  // Heads are re-ordered whole, and tiles may end within one.
  for (const together of item.tensor.isInterleaved ? [tiles] : tiles.map((tile) => [tile])) {
    throwIfAborted(signal)
    const rowStart = together[0]?.rowStart ?? 0
    const found = await writtenRows(item, { rowStart, rowEnd: together.at(-1)?.rowEnd ?? 0 }, headDim, signal)
    for (const tile of together) {
      const bytes = found.subarray((tile.rowStart - rowStart) * bytesARow, (tile.rowEnd - rowStart) * bytesARow)
      if ((await checksumOf(bytes)) !== tile.checksum) return false
    }
  }
  return true
}

/** Where a tensor of the file differs from what is stored. */
async function differenceOf(item: WrittenTensor, name: string, source: ExportSource, signal?: AbortSignal): Promise<StudioError> {
  const { tensor } = item
  const title = `Tensor ${tensor.spec.name}`
  const { columns } = asMatrix(tensor.spec.shape)
  for await (const { rows, blocks } of storedPieces(tensor, name, source, signal)) {
    const found = await writtenRows(item, rows, source.graph.config.headDim, signal)
    if (equalBytes(found, blocks)) continue
    proveEqual(title, await dequantize(item, found, signal), await dequantize(item, blocks, signal), rows.rowStart * columns)
    return proofFailed(title, 'differs in bytes that change no weight')
  }
  return proofFailed(title, 'was read back with other bytes the first time than the second')
}

function dequantize(
  { tensor: { spec }, kernels }: WrittenTensor,
  blocks: Uint8Array<ArrayBuffer>,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { columns } = asMatrix(spec.shape)
  return kernels.dequantizeGgml(blocks, { rows: blocks.length / ggmlBytes(spec.type, 1, columns), columns }, spec.type, signal)
}

/** Rows of the file, in the order of the checkpoint. */
async function writtenRows(
  { tensor, offset, written, scratch }: WrittenTensor,
  { rowStart, rowEnd }: RowRange,
  headDim: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const { columns } = asMatrix(tensor.spec.shape)
  const bytesARow = ggmlBytes(tensor.spec.type, 1, columns)
  const found = scratch.take((rowEnd - rowStart) * bytesARow)
  await readInto(written, found, offset + rowStart * bytesARow, signal)
  return tensor.isInterleaved ? separateRows(found, { headDim, rowBytes: rowBytes(tensor) }) : found
}

async function floatValues(
  { from, spec }: PlannedTensor,
  source: ExportSource,
  rows: RowRange,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (from.kind === 'computed') return from.values
  return spec.type === 'F16' ? readAsHalf(source, from.name, rows, signal) : source.readFloat(from.name, rows, signal)
}
