import type { Checkpoint, TokenizerFiles } from '../checkpoint/checkpoint.ts'
import { bytesPerElement, type FloatDType } from '../core/dtype.ts'
import { narrowToBfloat16, narrowToHalf, widenBfloat16, widenHalf } from '../core/float16.ts'
import { defaultExportOptions } from '../export/options.ts'
import type { ExportSource, TileChecksum } from '../export/target.ts'
import { checksumOf } from '../io/checksum.ts'
import { ggmlTypes } from '../kernels/contract/ggml.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import type { RawConfig } from '../models/family.ts'
import type { TensorSpec } from '../models/model-graph.ts'
import { familyFor } from '../models/registry.ts'
import { expectedTensors } from '../models/tensors.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import { nestScales, restoreScales } from '../quantization/nested-scales.ts'
import type { QuantizedTensor, TensorEncoding } from '../quantization/quantized-tensor.ts'
import { encodings as storage } from '../quantization/registry.ts'

export interface MadeCheckpointOptions {
  readonly rawConfig: RawConfig
  readonly tokenizerFiles: TokenizerFiles
  /** Default F32. */
  readonly dtype?: FloatDType
  /** Values of a tensor. */
  readonly values?: (spec: TensorSpec) => Float32Array<ArrayBuffer>
  readonly name?: string
}

/** An opened checkpoint made in memory: real family, real graph, made-up weights. */
export function madeCheckpoint(options: MadeCheckpointOptions): Checkpoint {
  const family = familyFor(options.rawConfig)
  const graph = family.describe(options.rawConfig)
  const dtype = options.dtype ?? 'F32'
  const values = options.values ?? variedValues
  const specs = expectedTensors(graph)
  const count = (spec: TensorSpec) => spec.shape.reduce((product, extent) => product * extent, 1)
  const raw = new Map(specs.map((spec) => [spec.name, store(values(spec), dtype)]))
  const tensors = new Map(
    specs.map(({ name, shape }) => [name, { name, dtype, shape, sizeBytes: count({ name, shape }) * bytesPerElement[dtype] }]),
  )
  const parameters = specs.reduce((sum, spec) => sum + count(spec), 0)
  const readRaw: Checkpoint['readRaw'] = async (name, rows) => {
    const bytes = raw.get(name)
    const shape = tensors.get(name)?.shape
    if (bytes === undefined || shape === undefined) throw new RangeError(`no tensor ${name}`)
    const rowBytes = (shape.at(-1) ?? 0) * bytesPerElement[dtype]
    return rows === undefined ? bytes.slice() : bytes.slice(rows.rowStart * rowBytes, rows.rowEnd * rowBytes)
  }
  return {
    name: options.name ?? 'made',
    origin: { kind: 'files', fingerprint: 'made' },
    family,
    graph,
    rawConfig: options.rawConfig,
    tokenizerFiles: options.tokenizerFiles,
    tensors,
    notes: [],
    parameters,
    sourceBytes: parameters * bytesPerElement[dtype],
    readRaw,
    readRawInto: async (into, name, rows) => into.set(await readRaw(name, rows)),
    readFloat: async (name, rows) => widen(await readRaw(name, rows), dtype),
    close: async () => undefined,
  }
}

/** What an export reads, with every matrix of the blocks quantized to nearest as `encodingOf` says; other encodings hold no bytes. */
export async function madeExportSource(
  checkpoint: Checkpoint,
  kernels: Kernels,
  encodingOf: (spec: TensorSpec) => TensorEncoding,
  recipeId = 'made',
): Promise<ExportSource> {
  const stored = new Map<string, QuantizedTensor>()
  const encodings = new Map<string, TensorEncoding>()
  const checksums = new Map<string, readonly TileChecksum[]>()
  for (const spec of expectedTensors(checkpoint.graph)) {
    if (spec.shape.length !== 2) continue
    const encoding = encodingOf(spec)
    if (encoding.encoding === 'source') continue
    encodings.set(spec.name, encoding)
    const tensor = await quantize(checkpoint, kernels, spec, encoding)
    if (tensor === null) continue
    stored.set(spec.name, tensor)
    checksums.set(spec.name, await checksumsOf(tensor))
  }
  const readQuantized = async (name: string): Promise<QuantizedTensor> => {
    const tensor = stored.get(name)
    if (tensor === undefined) throw new RangeError(`${name} is not stored`)
    return tensor
  }
  return {
    checkpoint,
    graph: checkpoint.graph,
    options: defaultExportOptions,
    importance: null,
    inputModes: new Map(),
    recipe: {
      id: recipeId,
      transform: { kind: 'none' },
      grid: { kind: 'made' },
      rounding: { kind: 'nearest' },
      allocation: { kind: 'uniform' },
      embedding: 'float',
      head: 'float',
      overrides: [],
    },
    encodings,
    readFloat: (name, rows) => checkpoint.readFloat(name, rows),
    async *readTiles(name) {
      yield* tilesOf(await readQuantized(name))
    },
    checksums: (name) => checksums.get(name) ?? [],
  }
}

/** All of a stored matrix. */
export async function wholeOf(source: Pick<ExportSource, 'readTiles'>, name: string): Promise<QuantizedTensor> {
  const tiles: QuantizedTensor[] = []
  for await (const { tile } of source.readTiles(name)) {
    const member = storage.get(tile.encoding)
    tiles.push(member.fromBytes(joinBytes(member.parts(tile)), { name, rows: tile.rows, columns: tile.columns }, member.encodingOf(tile)))
  }
  const [first] = tiles
  if (first === undefined) throw new RangeError(`${name} has no rows`)
  const rows = tiles.reduce((sum, tile) => sum + tile.rows, 0)
  return storage.get(first.encoding).join(tiles, { name, rows, columns: first.columns })
}

/**
 * In two tiles, as the walk stores tall tensors, which lie in memory that is overwritten when the next one is asked for: who keeps a
 * tile is found out.
 */
export async function* tilesOf(tensor: QuantizedTensor): AsyncGenerator<{ readonly rowStart: number; readonly tile: QuantizedTensor }> {
  const member = storage.get(tensor.encoding)
  const encoding = member.encodingOf(tensor)
  const { name, rows, columns } = tensor
  const unit = member.cutStep(tensor, encoding)
  const middle = Math.min(rows, Math.ceil(rows / 2 / unit) * unit)
  for (const [start, end] of [
    [0, middle],
    [middle, rows],
  ] as const) {
    if (start === end) continue
    const bytes = joinBytes(member.parts(member.rows(tensor, start, end)))
    yield { rowStart: start, tile: member.fromBytes(bytes, { name, rows: end - start, columns }, encoding) }
    bytes.fill(0xa5)
  }
}

async function checksumsOf(tensor: QuantizedTensor): Promise<TileChecksum[]> {
  const tiles: TileChecksum[] = []
  for await (const { rowStart, tile } of tilesOf(tensor)) {
    const checksum = await checksumOf(joinBytes(storage.get(tile.encoding).parts(tile)))
    tiles.push({ rowStart, rowEnd: rowStart + tile.rows, checksum })
  }
  return tiles
}

async function quantize(
  checkpoint: Checkpoint,
  kernels: Kernels,
  { name, shape: [rows = 0, columns = 0] }: TensorSpec,
  encoding: TensorEncoding,
): Promise<QuantizedTensor | null> {
  const matrix = { rows, columns, data: await checkpoint.readFloat(name) }
  const place = { name, rows, columns }
  switch (encoding.encoding) {
    case 'affine':
      return { ...place, encoding: 'affine', affine: await kernels.quantizeAffine(matrix, encoding) }
    case 'codebook': {
      const codeBook = await kernels.quantizeCodeBook(matrix, encoding)
      if (!encoding.isNested) return { ...place, encoding: 'codebook', codeBook, nested: null }
      const nested = nestScales(codeBook.scales)
      return { ...place, encoding: 'codebook', codeBook: { ...codeBook, scales: restoreScales(nested) }, nested }
    }
    case 'int8-rows':
      return { ...place, encoding: 'int8-rows', int8Rows: await kernels.quantizeInt8Rows(matrix) }
    case 'ggml': {
      const importance = ggmlTypes[encoding.type].needsImportance === true ? new Float32Array(columns).fill(1) : null
      const blocks = await kernels.quantizeGgml(matrix, encoding.type, { importance })
      return { ...place, encoding: 'ggml', type: encoding.type, blocks }
    }
    case 'source':
    case 'float':
    case 'k-means':
    case 'real-affine':
      return null
  }
}

/** Deterministic values of both signs, different from tensor to tensor. */
function variedValues({ name, shape }: TensorSpec): Float32Array<ArrayBuffer> {
  let state = Array.from(name).reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) % 2_147_483_647, 7)
  const count = shape.reduce((product, extent) => product * extent, 1)
  return Float32Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 2_147_483_647 - 0.5) * 0.25
  })
}

function store(values: Float32Array<ArrayBuffer>, dtype: FloatDType): Uint8Array<ArrayBuffer> {
  if (dtype === 'F32') return new Uint8Array(values.slice().buffer)
  return new Uint8Array((dtype === 'F16' ? narrowToHalf(values) : narrowToBfloat16(values)).buffer)
}

function widen(bytes: Uint8Array<ArrayBuffer>, dtype: FloatDType): Float32Array<ArrayBuffer> {
  if (dtype === 'F32') return new Float32Array(bytes.buffer)
  const bits = new Uint16Array(bytes.buffer)
  return dtype === 'F16' ? widenHalf(bits) : widenBfloat16(bits)
}
