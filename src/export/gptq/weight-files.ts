import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { tensorBytes } from '../../formats/safetensors/dtype.ts'
import { readSafetensorsHeader, type SafetensorsHeader } from '../../formats/safetensors/header.ts'
import { type PlacedTensor, type SafetensorsLayout, safetensorsLayout } from '../../formats/safetensors/layout.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import type { AffineTensor } from '../../kernels/contract/affine.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { asMatrix, readHalf, rowPieces } from '../float-pieces.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import { jsonFile } from '../text-files.ts'
import { dequantizeRows, sliceRows } from './affine-rows.ts'
import { groupIndex, packScales, packWeights, packZeros } from './packing.ts'
import { type PackedPart, type PlannedTensor, packedParts, partName } from './plan.ts'
import { type PackedLinear, unpackLinear } from './unpacking.ts'

/** Largest shard. The Hub's tools cut at 5 GB; 4 GiB also fits file systems and browsers with 32-bit file sizes. */
const maxShardBytes = 4 * 1024 * 1024 * 1024 - 1

/** Bytes of `qweight` made at a time. */
const pieceBytes = 16 * 1024 * 1024

/** `model.safetensors`, or shards with their index when it would pass `limitBytes`. The parts of a linear stay together. */
export function weightFiles(tensors: readonly PlannedTensor[], limitBytes = maxShardBytes): ExportedFile[] {
  const shards = intoShards(tensors, limitBytes)
  const [only] = shards
  if (shards.length === 1 && only !== undefined) return [weightFile('model.safetensors', only)]
  const count = String(shards.length).padStart(5, '0')
  const nameOf = (index: number) => `model-${String(index + 1).padStart(5, '0')}-of-${count}.safetensors`
  const places = shards.flatMap((shard, index) =>
    shard.flatMap((tensor) => tensor.specs.map((spec) => [spec.name, nameOf(index)] as const)),
  )
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0) },
    weight_map: Object.fromEntries(places),
  }
  return [...shards.map((shard, at) => weightFile(nameOf(at), shard)), jsonFile('model.safetensors.index.json', index)]
}

function intoShards(tensors: readonly PlannedTensor[], limitBytes: number): PlannedTensor[][] {
  const shards: PlannedTensor[][] = [[]]
  let size = 0
  for (const tensor of tensors) {
    if (size > 0 && size + sizeOf(tensor) > limitBytes) {
      shards.push([])
      size = 0
    }
    shards.at(-1)?.push(tensor)
    size += sizeOf(tensor)
  }
  return shards
}

function sizeOf(tensor: PlannedTensor): number {
  return tensor.specs.reduce((sum, { dtype, shape }) => sum + (tensorBytes(dtype, shape) ?? 0), 0)
}

/** On no grid. */
type FloatTensor = Extract<PlannedTensor, { readonly kind: 'checkpoint' | 'float' }>

/** Where a tensor of the file comes from. */
type Origin =
  | { readonly tensor: Exclude<PlannedTensor, { kind: 'packed' }> }
  | { readonly tensor: Extract<PlannedTensor, { kind: 'packed' }>; readonly part: PackedPart }

function originsOf(tensor: PlannedTensor): (readonly [string, Origin])[] {
  if (tensor.kind !== 'packed') return [[tensor.name, { tensor }]]
  return packedParts.map((part) => [partName(tensor.name, part), { tensor, part }])
}

function weightFile(path: string, tensors: readonly PlannedTensor[]): ExportedFile {
  const layout = safetensorsLayout(
    tensors.flatMap((tensor) => tensor.specs),
    { format: 'pt' },
  )
  const origins = new Map(tensors.flatMap(originsOf))
  return {
    path,
    sizeBytes: layout.totalBytes,
    write: (source, signal) => writeAll(layout, origins, source, signal),
    verify: (source, written, options) => verify({ layout, tensors }, source, written, options),
  }
}

async function* writeAll(
  layout: SafetensorsLayout,
  origins: ReadonlyMap<string, Origin>,
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield layout.headerBytes.slice()
  // Parts of a linear that follow each other in the file are made from one reading of it.
  let last: AffineTensor | null = null
  let lastName = ''
  for (const placed of layout.tensors) {
    throwIfAborted(signal)
    const origin = origins.get(placed.name)
    if (origin === undefined) throw new RangeError(`${placed.name} has no origin`)
    if (origin.tensor.kind === 'checkpoint' || origin.tensor.kind === 'float') {
      yield* floatPieces(origin.tensor, source, signal)
      continue
    }
    if (last === null || lastName !== origin.tensor.name) {
      last = await readAffine(source, origin.tensor.name, signal)
      lastName = origin.tensor.name
    }
    yield* 'part' in origin ? partPieces(placed, origin.part, last) : plainPieces(last)
  }
}

async function* floatPieces(tensor: FloatTensor, source: ExportSource, signal?: AbortSignal) {
  const { rows, columns } = asMatrix(tensor.shape)
  for (const range of rowPieces(rows, columns)) yield await floatBytes(tensor, range, source, signal)
}

/** Rows of a tensor that is on no grid: the checkpoint's bytes, or floats where a transform changed it. */
async function floatBytes({ kind, name, specs }: FloatTensor, rows: RowRange, source: ExportSource, signal?: AbortSignal) {
  if (kind === 'checkpoint') return source.checkpoint.readRaw(name, rows, signal)
  if (specs[0]?.dtype === 'F16') return new Uint8Array((await readHalf(source, name, rows, signal)).buffer)
  return bytesOfFloats(await source.readFloat(name, rows, signal))
}

function* plainPieces(affine: AffineTensor): Generator<Uint8Array<ArrayBuffer>> {
  for (const range of rowPieces(affine.rows, affine.columns)) yield new Uint8Array(dequantizeRows(affine, range).buffer)
}

function* partPieces({ shape }: PlacedTensor, part: PackedPart, affine: AffineTensor): Generator<Uint8Array<ArrayBuffer>> {
  switch (part) {
    case 'qweight': {
      const [words = 0, outFeatures = 0] = shape
      const step = Math.max(1, Math.floor(pieceBytes / (4 * outFeatures)))
      for (let start = 0; start < words; start += step) yield packWeights(affine, start, Math.min(words, start + step))
      return
    }
    case 'qzeros':
      yield packZeros(affine)
      return
    case 'scales':
      yield packScales(affine)
      return
    case 'g_idx':
      yield groupIndex(affine.columns, affine.group)
  }
}

async function readAffine(source: ExportSource, name: string, signal?: AbortSignal): Promise<AffineTensor> {
  const stored = await source.readQuantized(name, signal)
  if (stored.encoding === 'affine') return stored.affine
  throw new StudioError('storage-fault', {
    title: 'What is stored does not fit the recipe',
    message: `${name} is stored as ${stored.encoding}, but the recipe says affine.`,
    remedy: 'Run the recipe again, then export again.',
    details: { tensor: name },
  })
}

interface Proof {
  readonly source: ExportSource
  readonly written: ByteSource
  readonly header: SafetensorsHeader
  readonly kernels: Kernels
  readonly signal: AbortSignal | undefined
}

/** Reads the file with the checked header reader, then compares every tensor's values with what is stored. */
async function verify(
  expected: { readonly layout: SafetensorsLayout; readonly tensors: readonly PlannedTensor[] },
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const header = await parseBack(written, signal)
  if (header.tensors.size !== expected.layout.tensors.length) throw proofFailed('The header', 'lists other tensors after reading back')
  for (const { name, dtype, shape } of expected.layout.tensors) {
    const found = header.tensors.get(name)
    if (found?.dtype !== dtype || found.shape.join() !== shape.join()) {
      throw proofFailed(`Tensor ${name}`, 'has another type or shape after reading back')
    }
  }
  const proof = { source, written, header, kernels, signal }
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
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The header', `cannot be read back: ${error.message}`)
    throw error
  }
}

/** Bytes [start, end) of a tensor of the file. */
async function readPart({ header, written, signal }: Proof, name: string, [start, end]: readonly [number, number]) {
  const found = header.tensors.get(name)
  if (found === undefined) throw proofFailed(`Tensor ${name}`, 'is missing after reading back')
  return written.read(found.start + start, found.start + Math.min(end, found.end - found.start), signal)
}

const toTheEnd = [0, Number.POSITIVE_INFINITY] as const

async function proveFloats(tensor: FloatTensor, proof: Proof): Promise<void> {
  const { rows, columns } = asMatrix(tensor.shape)
  const bytesARow = sizeOf(tensor) / rows
  for (const range of rowPieces(rows, columns)) {
    const stored = await floatBytes(tensor, range, proof.source, proof.signal)
    const found = await readPart(proof, tensor.name, [range.rowStart * bytesARow, range.rowEnd * bytesARow])
    const differs = found.length === stored.length ? found.findIndex((byte, index) => byte !== stored[index]) : 0
    if (differs >= 0)
      throw proofFailed(`Tensor ${tensor.name}`, `differs after reading back, first at byte ${range.rowStart * bytesARow + differs}`)
  }
}

async function proveQuantized(tensor: Exclude<PlannedTensor, FloatTensor>, proof: Proof): Promise<void> {
  const { kernels, source, signal } = proof
  const affine = await readAffine(source, tensor.name, signal)
  const packed = tensor.kind === 'packed' ? await readPacked(tensor, proof) : null
  for (const range of rowPieces(affine.rows, affine.columns)) {
    throwIfAborted(signal)
    const bytesARow = 4 * affine.columns
    const found =
      packed !== null
        ? unpackLinear(packed, range.rowStart, range.rowEnd)
        : new Float32Array(wholeBuffer(await readPart(proof, tensor.name, [range.rowStart * bytesARow, range.rowEnd * bytesARow])))
    const stored = await kernels.dequantizeAffine(sliceRows(affine, range), signal)
    proveEqual(`Tensor ${tensor.name}`, found, stored, range.rowStart * affine.columns)
  }
}

async function readPacked(tensor: Extract<PlannedTensor, { kind: 'packed' }>, proof: Proof): Promise<PackedLinear> {
  const [outFeatures = 0, inFeatures = 0] = tensor.shape
  const read = async (part: PackedPart) => wholeBuffer(await readPart(proof, partName(tensor.name, part), toTheEnd))
  return {
    bits: tensor.encoding.bits,
    inFeatures,
    outFeatures,
    qweight: new Uint32Array(await read('qweight')),
    qzeros: new Uint32Array(await read('qzeros')),
    scales: new Uint16Array(await read('scales')),
    groupOf: new Int32Array(await read('g_idx')),
  }
}

/** A buffer that holds these bytes alone, so that words of it can be read. */
function wholeBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer
}
