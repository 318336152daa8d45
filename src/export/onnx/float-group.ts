import { throwIfAborted } from '../../core/errors.ts'
import { narrowToHalf, widenHalf } from '../../core/float16.ts'
import type { RopeTables } from '../../models/rope-tables.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import { asMatrix, readAsHalf, readHalf, rowPieces } from '../float-pieces.ts'
import { proveEqual } from '../proof.ts'
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
      const values = await valuesOf(source, name, signal)
      for (const range of rowPieces(rows, columns)) {
        throwIfAborted(signal)
        yield { tensor, bytes: await values.bytes(range, floats) }
      }
    },
    async prove({ source, read, signal }) {
      const values = await valuesOf(source, name, signal)
      for (const range of rowPieces(rows, columns)) {
        throwIfAborted(signal)
        const found = floatsOf(await read(tensor, range.rowStart * bytesARow, range.rowEnd * bytesARow), floats)
        proveEqual(`Tensor ${name}`, found, await values.floats(range, floats), range.rowStart * columns)
      }
    },
  }
}

interface Range {
  readonly rowStart: number
  readonly rowEnd: number
}

interface FloatValues {
  bytes(range: Range, floats: FloatType): Promise<Uint8Array<ArrayBuffer>>
  /** What these bytes stand for. */
  floats(range: Range, floats: FloatType): Promise<Float32Array<ArrayBuffer>>
}

/** Rows of a float tensor, also of one that fell back to ggml's halves. */
async function valuesOf(source: ExportSource, name: string, signal?: AbortSignal): Promise<FloatValues> {
  const stored = source.encodings.get(name)?.encoding === 'ggml' ? await source.readQuantized(name, signal) : null
  if (stored === null) {
    return {
      bytes: async (range, floats) =>
        floats === 'float'
          ? bytesOfFloats(await source.readFloat(name, range, signal))
          : new Uint8Array((await readHalf(source, name, range, signal)).buffer),
      floats: async (range, floats) =>
        floats === 'float' ? source.readFloat(name, range, signal) : readAsHalf(source, name, range, signal),
    }
  }
  if (stored.encoding !== 'ggml') throw new RangeError(`${name} is stored as ${stored.encoding}`)
  const { blocks, type, columns } = stored
  const width = type === 'F16' ? 2 : 4
  const part = ({ rowStart, rowEnd }: Range): Uint8Array<ArrayBuffer> => blocks.slice(rowStart * columns * width, rowEnd * columns * width)
  const values = (range: Range): Float32Array<ArrayBuffer> => floatsOf(part(range), type === 'F16' ? 'float16' : 'float')
  return {
    bytes: async (range, floats) => bytesOf(values(range), floats),
    floats: async (range, floats) => floatsOf(bytesOf(values(range), floats), floats),
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

/** f32 values in the type of a file. */
export function bytesOf(values: Float32Array<ArrayBuffer>, floats: FloatType): Uint8Array<ArrayBuffer> {
  return floats === 'float' ? bytesOfFloats(values) : new Uint8Array(narrowToHalf(values).buffer)
}

/** The way back. Copies where the bytes do not lie on a boundary of their type. */
export function floatsOf(bytes: Uint8Array<ArrayBuffer>, floats: FloatType): Float32Array<ArrayBuffer> {
  const own = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
  return floats === 'float' ? new Float32Array(own.buffer) : widenHalf(new Uint16Array(own.buffer))
}
