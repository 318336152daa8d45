import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { type GgufFile, readGguf } from '../../formats/gguf/read.ts'
import type { GgufEntry } from '../../formats/gguf/types.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { ggmlBytes } from '../../kernels/contract/ggml.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { asMatrix, readAsHalf } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { ExportSource } from '../target.ts'
import { separateRows } from './head-rows.ts'
import { piecesOf, readBlocks, rowBytes } from './tensor-bytes.ts'
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
  for (const [index, tensor] of expected.tensors.entries()) {
    throwIfAborted(signal)
    const info = file.tensors[index]
    const { name, type, shape } = tensor.spec
    if (info?.name !== name || info.type !== type || info.shape.join() !== shape.join()) {
      throw proofFailed(`Tensor ${name}`, 'has another name, type or shape after reading back')
    }
    await verifyTensor({ tensor, offset: info.offset, written, kernels }, source, signal)
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

async function verifyTensor(
  item: { readonly tensor: PlannedTensor; readonly offset: number; readonly written: ByteSource; readonly kernels: Kernels },
  source: ExportSource,
  signal?: AbortSignal,
): Promise<void> {
  const { tensor, offset, written, kernels } = item
  const { spec, from, isInterleaved } = tensor
  const { columns } = asMatrix(spec.shape)
  const order = { headDim: source.graph.config.headDim, rowBytes: rowBytes(tensor) }
  const stored = from.kind === 'stored' ? await readBlocks(source, from.name, signal) : null
  const bytesARow = ggmlBytes(spec.type, 1, columns)
  for (const rows of piecesOf(tensor, order.headDim)) {
    throwIfAborted(signal)
    const [start, end] = [rows.rowStart * bytesARow, rows.rowEnd * bytesARow]
    const inFile = await written.read(offset + start, offset + end, signal)
    const shape = { rows: rows.rowEnd - rows.rowStart, columns }
    const blocks = isInterleaved ? separateRows(inFile, order) : inFile
    const wanted = stored?.blocks.subarray(start, end)
    // Equal blocks are equal weights.
    if (wanted !== undefined && equalBytes(blocks, wanted)) continue
    const values = await kernels.dequantizeGgml(blocks, shape, spec.type, signal)
    const expected =
      wanted === undefined
        ? await floatValues(tensor, source, rows, signal)
        : await kernels.dequantizeGgml(wanted.slice(), shape, spec.type, signal)
    proveEqual(`Tensor ${spec.name}`, values, expected, rows.rowStart * columns)
    if (wanted !== undefined) throw proofFailed(`Tensor ${spec.name}`, 'differs in bytes that change no weight')
  }
}

async function floatValues(
  { from, spec }: PlannedTensor,
  source: ExportSource,
  rows: { readonly rowStart: number; readonly rowEnd: number },
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (from.kind === 'computed') return from.values
  return spec.type === 'F16' ? readAsHalf(source, from.name, rows, signal) : source.readFloat(from.name, rows, signal)
}
