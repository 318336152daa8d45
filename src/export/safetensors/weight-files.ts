import { throwIfAborted } from '../../core/errors.ts'
import { tensorBytes } from '../../formats/safetensors/dtype.ts'
import { type SafetensorsLayout, safetensorsLayout } from '../../formats/safetensors/layout.ts'
import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { type MatrixPart, partPieces } from '../matrix-parts.ts'
import { requireEncoding, storedTiles } from '../stored-tiles.ts'
import type { ExportedFile, ExportFacts, ExportSource } from '../target.ts'
import { jsonFile } from '../text-files.ts'
import { affineValues } from './affine-values.ts'
import { floatPieces } from './floats.ts'
import type { PackedForm, PlannedTensor } from './planned-tensor.ts'
import { proveFile } from './prove-file.ts'

/** Largest shard unless asked for less. The Hub's tools cut at 5 GB; 4 GiB also fits file systems and browsers with 32-bit file sizes. */
const maxShardBytes = 4 * 1024 * 1024 * 1024 - 1

/**
 * `model.safetensors`, or shards with their index when it would pass the limit of the options. What stands for one tensor of the
 * checkpoint stays together, so a shard passes the limit where that alone does.
 */
export function weightFiles({ options }: Pick<ExportFacts, 'options'>, tensors: readonly PlannedTensor[]): ExportedFile[] {
  const shards = intoShards(tensors, options.maxFileBytes ?? maxShardBytes)
  const [only] = shards
  // Files are written and proved one after the other.
  const lineMemory = new LineMemory()
  if (shards.length === 1 && only !== undefined) return [weightFile('model.safetensors', only, lineMemory)]
  const count = String(shards.length).padStart(5, '0')
  const nameOf = (index: number) => `model-${String(index + 1).padStart(5, '0')}-of-${count}.safetensors`
  const places = shards.flatMap((shard, index) =>
    shard.flatMap((tensor) => tensor.specs.map((spec) => [spec.name, nameOf(index)] as const)),
  )
  const index = {
    metadata: { total_size: tensors.reduce((sum, tensor) => sum + sizeOf(tensor), 0) },
    weight_map: Object.fromEntries(places),
  }
  return [...shards.map((shard, at) => weightFile(nameOf(at), shard, lineMemory)), jsonFile('model.safetensors.index.json', index)]
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

function weightFile(path: string, tensors: readonly PlannedTensor[], lineMemory: LineMemory): ExportedFile {
  const layout = safetensorsLayout(
    tensors.flatMap((tensor) => tensor.specs),
    { format: 'pt' },
  )
  return {
    path,
    sizeBytes: layout.totalBytes,
    write: (source, signal) => writeAll({ layout, tensors, lineMemory }, source, signal),
    verify: (source, written, options) => proveFile({ layout, tensors }, source, written, { ...options, lineMemory }),
  }
}

async function* writeAll(
  {
    layout,
    tensors,
    lineMemory,
  }: { readonly layout: SafetensorsLayout; readonly tensors: readonly PlannedTensor[]; readonly lineMemory: LineMemory },
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield layout.headerBytes.slice()
  const memory = { lineMemory }
  for (const { tensor, names } of inRuns(layout, tensors)) {
    throwIfAborted(signal)
    if (tensor.kind === 'checkpoint' || tensor.kind === 'float') {
      yield* floatPieces(tensor, source, signal)
      continue
    }
    const { name, encoding } = tensor
    const unit = tensor.kind === 'packed' ? tensor.form.unit : 1
    const parts = tensor.kind === 'packed' ? names.map((part) => partNamed(tensor.form, part)) : [plainPart]
    yield* partPieces(parts, () => storedTiles(source, { name, encoding: encoding.encoding, unit }, signal), memory)
  }
}

interface Run {
  readonly tensor: PlannedTensor
  /** Tensors of the file. */
  readonly names: string[]
}

/** Tensors of the file in order, those together that stand for one matrix and follow each other: they are made of one reading. */
function inRuns(layout: SafetensorsLayout, tensors: readonly PlannedTensor[]): Run[] {
  const origins = new Map(tensors.flatMap((tensor) => tensor.specs.map(({ name }) => [name, tensor] as const)))
  const runs: Run[] = []
  for (const { name } of layout.tensors) {
    const tensor = origins.get(name)
    if (tensor === undefined) throw new RangeError(`${name} has no origin`)
    const last = runs.at(-1)
    if (last?.tensor === tensor) last.names.push(name)
    else runs.push({ tensor, names: [name] })
  }
  return runs
}

function partNamed({ parts }: PackedForm, name: string): MatrixPart {
  const part = parts.get(name)
  if (part === undefined) throw new RangeError(`${name} has no part`)
  return part
}

/** The values of affine codes in f32, where the format cannot hold the sizes. */
const plainPart: MatrixPart = {
  kind: 'rows',
  bytesOf: ({ tile }) => bytesOfFloats(affineValues(requireEncoding(tile, 'affine').affine)),
}
