import { equalBytes } from '../../core/equal-bytes.ts'
import { throwIfAborted } from '../../core/errors.ts'
import { narrowToHalf } from '../../core/float16.ts'
import { ownBytes } from '../../core/shared-memory.ts'
import { widenValues } from '../../core/widen.ts'
import type { RopeTables } from '../../models/rope-tables.ts'
import { bytesOfFloats, bytesOfHalves } from '../../quantization/join-arrays.ts'
import { asMatrix, readHalf, rowPieces } from '../float-pieces.ts'
import { proveEqual } from '../proof.ts'
import { storedTiles } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import type { FloatType } from './plan.ts'
import { type ProofTools, type WeightGroup, weightTensor } from './weight-groups.ts'

/** A tensor on no grid, as the checkpoint or a transform has it; `shape` as in the checkpoint. */
export function floatGroup(name: string, shape: readonly number[], floats: FloatType): WeightGroup {
  const tensor = weightTensor(name, floats, shape)
  const { rows, columns } = asMatrix(shape)
  const bytesARow = tensor.sizeBytes / rows
  return {
    tensors: [tensor],
    async *write(source, signal) {
      for await (const { bytes } of floatRows(source, { name, rows, columns, floats }, signal)) yield { tensor, bytes }
    },
    async prove({ source, read, signal }) {
      for await (const { rowStart, bytes } of floatRows(source, { name, rows, columns, floats }, signal)) {
        const start = rowStart * bytesARow
        const found = await read(tensor, start, start + bytes.length)
        if (equalBytes(found, bytes)) continue
        proveEqual(`Tensor ${name}`, floatsOf(found, floats), floatsOf(bytes, floats), rowStart * columns)
      }
    },
  }
}

interface FloatMatrix {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly floats: FloatType
}

/** A float tensor as bytes of the file, rows in order; also one that fell back to ggml's floats. */
async function* floatRows(
  source: ExportSource,
  { name, rows, columns, floats }: FloatMatrix,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly rowStart: number; readonly bytes: Uint8Array<ArrayBuffer> }> {
  if (source.encodings.get(name)?.encoding === 'ggml') {
    for await (const { rowStart, tile } of storedTiles(source, { name, encoding: 'ggml' }, signal)) {
      yield { rowStart, bytes: bytesOf(floatsOf(tile.blocks, tile.type === 'F16' ? 'float16' : 'float'), floats) }
    }
    return
  }
  for (const range of rowPieces(rows, columns)) {
    throwIfAborted(signal)
    const bytes =
      floats === 'float'
        ? bytesOfFloats(await source.readFloat(name, range, signal))
        : bytesOfHalves(await readHalf(source, name, range, signal))
    yield { rowStart: range.rowStart, bytes }
  }
}

/** Rotation tables `cos_cache` and `sin_cache`, [positions, headDim / 2]; made when they are written. */
export function ropeGroup(
  names: { readonly cosine: string; readonly sine: string },
  shape: readonly [number, number],
  make: () => RopeTables,
  floats: FloatType,
): WeightGroup {
  const cosine = weightTensor(names.cosine, floats, shape)
  const sine = weightTensor(names.sine, floats, shape)
  return {
    tensors: [cosine, sine],
    async *write() {
      const tables = make()
      yield { tensor: cosine, bytes: bytesOf(tables.cosine, floats) }
      yield { tensor: sine, bytes: bytesOf(tables.sine, floats) }
    },
    async prove({ read }: ProofTools) {
      const tables = make()
      for (const [tensor, values] of [
        [cosine, tables.cosine],
        [sine, tables.sine],
      ] as const) {
        const found = floatsOf(await read(tensor, 0, tensor.sizeBytes), floats)
        proveEqual(`Tensor ${tensor.name}`, found, floatsOf(bytesOf(values, floats), floats))
      }
    },
  }
}

/** Bytes of a value. */
export function floatBytes(floats: FloatType): number {
  return floats === 'float' ? 4 : 2
}

/** f32 values in the type of a file. */
export function bytesOf(values: Float32Array, floats: FloatType): Uint8Array<ArrayBuffer> {
  return floats === 'float' ? ownBytes(bytesOfFloats(values)) : bytesOfHalves(narrowToHalf(values))
}

/** The way back. Copies where the bytes do not lie on a boundary of their type. */
export function floatsOf(bytes: Uint8Array, floats: FloatType): Float32Array {
  return widenValues(floats === 'float' ? 'F32' : 'F16', bytes)
}
