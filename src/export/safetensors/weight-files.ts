import { throwIfAborted } from '../../core/errors.ts'
import { tensorBytes } from '../../formats/safetensors/dtype.ts'
import { type SafetensorsLayout, safetensorsLayout } from '../../formats/safetensors/layout.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { rowPieces } from '../float-pieces.ts'
import type { ExportedFile, ExportFacts, ExportSource } from '../target.ts'
import { jsonFile } from '../text-files.ts'
import { dequantizeRows } from './affine-values.ts'
import { floatPieces } from './floats.ts'
import type { PlannedTensor } from './planned-tensor.ts'
import { proveFile } from './prove-file.ts'
import { readStored, requireEncoding } from './stored-rows.ts'

/** Largest shard unless asked for less. The Hub's tools cut at 5 GB; 4 GiB also fits file systems and browsers with 32-bit file sizes. */
const maxShardBytes = 4 * 1024 * 1024 * 1024 - 1

/**
 * `model.safetensors`, or shards with their index when it would pass the limit of the options. What stands for one tensor of the
 * checkpoint stays together, so a shard passes the limit where that alone does.
 */
export function weightFiles({ options }: Pick<ExportFacts, 'options'>, tensors: readonly PlannedTensor[]): ExportedFile[] {
  const shards = intoShards(tensors, options.maxFileBytes ?? maxShardBytes)
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

function weightFile(path: string, tensors: readonly PlannedTensor[]): ExportedFile {
  const layout = safetensorsLayout(
    tensors.flatMap((tensor) => tensor.specs),
    { format: 'pt' },
  )
  return {
    path,
    sizeBytes: layout.totalBytes,
    write: (source, signal) => writeAll(layout, tensors, source, signal),
    verify: (source, written, options) => proveFile({ layout, tensors }, source, written, options),
  }
}

async function* writeAll(
  layout: SafetensorsLayout,
  tensors: readonly PlannedTensor[],
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield layout.headerBytes.slice()
  const origins = new Map(tensors.flatMap((tensor) => tensor.specs.map(({ name }) => [name, tensor] as const)))
  // Parts of a matrix that follow each other in the file are made from one reading of it.
  let last: QuantizedTensor | null = null
  for (const placed of layout.tensors) {
    throwIfAborted(signal)
    const tensor = origins.get(placed.name)
    if (tensor === undefined) throw new RangeError(`${placed.name} has no origin`)
    if (tensor.kind === 'checkpoint' || tensor.kind === 'float') {
      yield* floatPieces(tensor, source, signal)
      continue
    }
    if (last?.name !== tensor.name) last = await readStored(source, tensor.name, tensor.encoding.encoding, signal)
    yield* tensor.kind === 'packed' ? tensor.form.pieces(placed.name, last) : plainPieces(last)
  }
}

function* plainPieces(stored: QuantizedTensor): Generator<Uint8Array<ArrayBuffer>> {
  const { affine } = requireEncoding(stored, 'affine')
  for (const range of rowPieces(affine.rows, affine.columns)) yield new Uint8Array(dequantizeRows(affine, range).buffer)
}
