import type { DecodeRows, LoadedMatrix } from '../../checkpoint/source-format.ts'
import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { readSafetensorsHeader, type SafetensorsHeader } from '../../formats/safetensors/header.ts'
import type { SafetensorsLayout } from '../../formats/safetensors/layout.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import type { LineMemory } from '../../kernels/transpose/line-memory.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { asMatrix, rowPieces } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import { storedTiles } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import { floatBytes } from './floats.ts'
import type { FloatTensor, GridTensor, PlannedTensor } from './planned-tensor.ts'
import { areSame, haveChecksum } from './same-codes.ts'

interface Proof {
  readonly source: ExportSource
  readonly written: ByteSource
  readonly header: SafetensorsHeader
  readonly kernels: Kernels
  readonly lineMemory: LineMemory
  readonly signal: AbortSignal | undefined
}

/**
 * Reads the file with the checked header reader, then compares every tensor's values with what is stored: packed ones through the
 * reader that opens such files from other tools.
 */
export async function proveFile(
  expected: { readonly layout: SafetensorsLayout; readonly tensors: readonly PlannedTensor[] },
  source: ExportSource,
  written: ByteSource,
  { kernels, lineMemory, signal }: { readonly kernels: Kernels; readonly lineMemory: LineMemory; readonly signal?: AbortSignal },
): Promise<void> {
  const header = await parseBack(written, signal)
  if (header.tensors.size !== expected.layout.tensors.length) throw proofFailed('The header', 'lists other tensors after reading back')
  for (const { name, dtype, shape } of expected.layout.tensors) {
    const found = header.tensors.get(name)
    if (found?.dtype !== dtype || found.shape.join() !== shape.join()) {
      throw proofFailed(`Tensor ${name}`, 'has another type or shape after reading back')
    }
  }
  const proof = { source, written, header, kernels, lineMemory, signal }
  for (const tensor of expected.tensors) {
    throwIfAborted(signal)
    if (tensor.kind === 'checkpoint' || tensor.kind === 'float') await proveFloats(tensor, proof)
    else await proveQuantized(tensor, proof)
  }
}

async function parseBack(written: ByteSource, signal?: AbortSignal): Promise<SafetensorsHeader> {
  try {
    return await readSafetensorsHeader(written, signal)
  } catch (error) {
    if (isDamage(error)) throw proofFailed('The header', `cannot be read back: ${error.message}`)
    throw error
  }
}

function isDamage(error: unknown): error is StudioError {
  return error instanceof StudioError && error.code === 'file-damaged'
}

async function proveFloats(tensor: FloatTensor, proof: Proof): Promise<void> {
  const { rows, columns } = asMatrix(tensor.shape)
  const { start, end } = placeOf(tensor.name, proof)
  const bytesARow = (end - start) / rows
  for (const range of rowPieces(rows, columns)) {
    const stored = await floatBytes(tensor, range, proof.source, proof.signal)
    const found = await proof.written.read(start + range.rowStart * bytesARow, start + range.rowEnd * bytesARow, proof.signal)
    if (equalBytes(found, stored)) continue
    const differs = found.findIndex((byte, index) => byte !== stored[index])
    throw proofFailed(`Tensor ${tensor.name}`, `differs after reading back, first at byte ${range.rowStart * bytesARow + differs}`)
  }
}

async function proveQuantized(tensor: GridTensor, proof: Proof): Promise<void> {
  const { kernels, source, signal } = proof
  const { name, encoding } = tensor
  const { values, codes } = tensor.kind === 'packed' ? await openPacked(tensor, proof) : { values: plainRows(tensor, proof), codes: null }
  if (codes !== null && (await areStored(codes, tensor, proof))) return
  const unit = tensor.kind === 'packed' ? tensor.form.unit : 1
  for await (const { rowStart, tile } of storedTiles(source, { name, encoding: encoding.encoding, unit }, signal)) {
    const range = { rowStart, rowEnd: rowStart + tile.rows }
    // Equal codes, scales and zero points are equal weights.
    if (codes !== null && areSame(await codes(range, signal), tile)) continue
    const wanted = await storage.get(tile.encoding).dequantize(tile, kernels, signal)
    proveEqual(`Tensor ${name}`, await values(range, signal), wanted, rowStart * tile.columns)
    if (codes !== null) throw proofFailed(`Tensor ${name}`, 'differs in bytes that change no weight')
  }
}

/** Whether all rows of the file have the checksums that were taken when they were stored. */
async function areStored(
  codes: NonNullable<LoadedMatrix['codes']>,
  { name, encoding }: GridTensor,
  { source, signal }: Proof,
): Promise<boolean> {
  for (const { checksum, ...range } of source.checksums(name)) {
    throwIfAborted(signal)
    if (!(await haveChecksum(await codes(range, signal), { encoding, checksum }))) return false
  }
  return true
}

async function openPacked(
  tensor: Extract<GridTensor, { kind: 'packed' }>,
  { header, written, lineMemory, signal }: Proof,
): Promise<LoadedMatrix> {
  const find = (name: string) => {
    const entry = header.tensors.get(name)
    return entry === undefined ? undefined : { ...entry, source: written }
  }
  try {
    const loaded = await tensor.form.open(find)?.load(signal, lineMemory)
    if (loaded !== undefined) return loaded
  } catch (error) {
    if (isDamage(error)) throw proofFailed(`Tensor ${tensor.name}`, `differs after reading back: ${error.message}`)
    throw error
  }
  throw proofFailed(`Tensor ${tensor.name}`, 'is not found by a reader of the format')
}

function plainRows(tensor: GridTensor, proof: Proof): DecodeRows {
  const { start } = placeOf(tensor.name, proof)
  const bytesARow = 4 * (tensor.shape[1] ?? 0)
  return async ({ rowStart, rowEnd }, signal) => {
    const bytes = await proof.written.read(start + rowStart * bytesARow, start + rowEnd * bytesARow, signal)
    return new Float32Array(bytes.slice().buffer)
  }
}

function placeOf(name: string, { header }: Proof): { readonly start: number; readonly end: number } {
  const found = header.tensors.get(name)
  if (found === undefined) throw proofFailed(`Tensor ${name}`, 'is missing after reading back')
  return found
}
