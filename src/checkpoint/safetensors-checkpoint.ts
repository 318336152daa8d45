import { bytesPerElement } from '../core/dtype.ts'
import { widenValues } from '../core/widen.ts'
import { readInto } from '../io/read-into.ts'
import type { TensorInfo } from '../models/model-graph.ts'
import type { Checkpoint, RowRange } from './checkpoint.ts'
import type { QuantizedTensor } from './match-tensors.ts'
import type { FloatTensor } from './stored-tensor.ts'

type Facts = Pick<Checkpoint, 'name' | 'origin' | 'family' | 'graph' | 'rawConfig' | 'tokenizerFiles' | 'notes'>

/**
 * An opened model over safetensors files. Holds sources, never bytes. Matrices that the files hold as codes are F32 here: each
 * reading dequantizes the rows asked for.
 */
export class SafetensorsCheckpoint implements Checkpoint {
  readonly name: Checkpoint['name']
  readonly origin: Checkpoint['origin']
  readonly family: Checkpoint['family']
  readonly graph: Checkpoint['graph']
  readonly rawConfig: Checkpoint['rawConfig']
  readonly tokenizerFiles: Checkpoint['tokenizerFiles']
  readonly notes: Checkpoint['notes']
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly parameters: number
  readonly sourceBytes: number
  readonly #stored: ReadonlyMap<string, FloatTensor>
  readonly #quantized: ReadonlyMap<string, QuantizedTensor>

  constructor(
    facts: Facts & { readonly stored: ReadonlyMap<string, FloatTensor>; readonly quantized: ReadonlyMap<string, QuantizedTensor> },
  ) {
    this.name = facts.name
    this.origin = facts.origin
    this.family = facts.family
    this.graph = facts.graph
    this.rawConfig = facts.rawConfig
    this.tokenizerFiles = facts.tokenizerFiles
    this.notes = facts.notes
    this.#stored = facts.stored
    this.#quantized = facts.quantized
    const plain = [...facts.stored].map(([name, { dtype, shape, start, end }]) => ({ name, dtype, shape, sizeBytes: end - start }))
    const decoded = [...facts.quantized].map(([name, { shape }]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      sizeBytes: bytesPerElement.F32 * elements(shape),
    }))
    const infos: TensorInfo[] = [...plain, ...decoded]
    const parts = [...facts.quantized.values()].flatMap(({ matrix }) => matrix.parts)
    this.tensors = new Map(infos.map((info) => [info.name, info]))
    this.sourceBytes = [...facts.stored.values(), ...parts].reduce((sum, { start, end }) => sum + end - start, 0)
    this.parameters = infos.reduce((sum, { shape }) => sum + elements(shape), 0)
  }

  async readRaw(tensor: string, rows?: RowRange, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#quantized.has(tensor)) {
      const { buffer, byteOffset, byteLength } = await this.readFloat(tensor, rows, signal)
      return new Uint8Array(buffer, byteOffset, byteLength)
    }
    const { source, start, end } = this.#range(tensor, rows)
    return source.read(start, end, signal)
  }

  async readRawInto(into: Uint8Array, tensor: string, rows: RowRange, signal?: AbortSignal): Promise<void> {
    if (this.#quantized.has(tensor)) {
      const bytes = await this.readRaw(tensor, rows, signal)
      checkRoom(into, bytes.length, tensor)
      into.set(bytes)
      return
    }
    const { source, start, end } = this.#range(tensor, rows)
    checkRoom(into, end - start, tensor)
    await readInto(source, into, start, signal)
  }

  async readFloat(tensor: string, rows?: RowRange, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const quantized = this.#quantized.get(tensor)
    if (quantized !== undefined) {
      const [rowCount = 0] = quantized.shape
      const range = rows ?? { rowStart: 0, rowEnd: rowCount }
      checkRows(tensor, rowCount, range)
      const { values } = await quantized.matrix.load(signal)
      return values(range, signal)
    }
    const { source, start, end, dtype } = this.#range(tensor, rows)
    return widenValues(dtype, await source.read(start, end, signal))
  }

  async close(): Promise<void> {
    // Files and ranges are opened for each read; nothing is held.
  }

  /** Throws `RangeError` for names and rows that are not of this model: a fault of the caller. */
  #range(name: string, rows: RowRange | undefined) {
    const tensor = this.#stored.get(name)
    if (tensor === undefined) throw new RangeError(`${this.name} has no tensor ${name}`)
    const { source, start, end, dtype, shape } = tensor
    if (rows === undefined) return { source, start, end, dtype }
    const rowCount = shape.length < 2 ? 1 : (shape[0] ?? 1)
    const { rowStart, rowEnd } = rows
    checkRows(name, rowCount, rows)
    const rowBytes = rowCount === 0 ? 0 : (end - start) / rowCount
    return { source, start: start + rowStart * rowBytes, end: start + rowEnd * rowBytes, dtype }
  }
}

function checkRoom({ length }: Uint8Array, size: number, tensor: string): void {
  if (length !== size) throw new RangeError(`${length} bytes for ${size} of ${tensor}`)
}

function checkRows(name: string, rowCount: number, { rowStart, rowEnd }: RowRange): void {
  const isInside = Number.isInteger(rowStart) && Number.isInteger(rowEnd) && 0 <= rowStart && rowStart <= rowEnd && rowEnd <= rowCount
  if (!isInside) throw new RangeError(`${name} has ${rowCount} rows, not [${rowStart}, ${rowEnd})`)
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}
