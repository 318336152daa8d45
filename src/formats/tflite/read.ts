import { StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'

/** A .tflite file as far as it names its parts; written by hand from the schema, not with the builder's library. */
export interface TfliteFile {
  readonly version: number
  readonly operatorCodes: readonly { readonly code: number; readonly version: number }[]
  readonly tensors: readonly {
    readonly name: string
    readonly shape: readonly number[]
    readonly type: number
    /** 0 is the empty one. */
    readonly buffer: number
    readonly scales: readonly number[]
    readonly zeroPoints: readonly number[]
  }[]
  readonly operators: readonly {
    readonly opcodeIndex: number
    readonly inputs: readonly number[]
    readonly outputs: readonly number[]
    readonly optionsType: number
  }[]
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  /** Bytes [start, end) of each buffer; empty ones have start = end. */
  readonly buffers: readonly { readonly start: number; readonly end: number }[]
}

/** Throws `StudioError` `file-damaged` for what is no such file or points outside of itself. */
export async function readTflite(source: ByteSource, headBytes: number, signal?: AbortSignal): Promise<TfliteFile> {
  const size = Math.min(headBytes, source.sizeBytes)
  const view = new DataView((await source.read(0, size, signal)).buffer)
  try {
    if (view.getUint32(4, false) !== 0x54464c33) throw new RangeError('it is not marked TFL3')
    const model = new Table(view, view.getUint32(0, true))
    const [subgraph, ...more] = model.tables(2)
    if (subgraph === undefined || more.length > 0) throw new RangeError('it has not one subgraph')
    const buffers: { start: number; end: number }[] = []
    for (const buffer of model.tables(4)) buffers.push(await extentOf(buffer, source, signal))
    const tensors: TfliteFile['tensors'][number][] = []
    for (const tensor of subgraph.tables(0)) tensors.push(await tensorOf(tensor, source, signal))
    return {
      version: model.integer(0, 0),
      operatorCodes: model.tables(1).map((code) => ({ code: code.integer(3, 0), version: code.integer(2, 1) })),
      tensors,
      operators: subgraph.tables(3).map((operator) => ({
        opcodeIndex: operator.integer(0, 0),
        inputs: operator.integers(1),
        outputs: operator.integers(2),
        optionsType: operator.byte(3),
      })),
      inputs: subgraph.integers(1),
      outputs: subgraph.integers(2),
      buffers,
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new StudioError('file-damaged', {
      title: 'This is not a TensorFlow Lite file',
      message: `${source.name} cannot be read: ${error.message}.`,
      remedy: 'Make it again.',
    })
  }
}

async function tensorOf(tensor: Table, source: ByteSource, signal?: AbortSignal): Promise<TfliteFile['tensors'][number]> {
  const quantization = tensor.table(4)
  return {
    name: tensor.text(3),
    shape: tensor.integers(0),
    type: tensor.byte(1),
    buffer: tensor.integer(2, 0),
    scales: quantization === null ? [] : await floatsOf(quantization, 2, source, signal),
    zeroPoints: quantization?.longs(3) ?? [],
  }
}

async function extentOf(buffer: Table, source: ByteSource, signal?: AbortSignal): Promise<{ start: number; end: number }> {
  const at = buffer.target(0)
  return at === null ? { start: 0, end: 0 } : vectorAt(at, 1, source, signal)
}

async function floatsOf(table: Table, id: number, source: ByteSource, signal?: AbortSignal): Promise<number[]> {
  const at = table.target(id)
  if (at === null) return []
  const { start, end } = await vectorAt(at, 4, source, signal)
  const view = new DataView((await source.read(start, end, signal)).buffer)
  return Array.from({ length: (end - start) / 4 }, (_, index) => view.getFloat32(4 * index, true))
}

/** Buffers and vectors of scales lie behind the head: their length is read where the field points. */
async function vectorAt(at: number, itemBytes: number, source: ByteSource, signal?: AbortSignal): Promise<{ start: number; end: number }> {
  if (at + 4 > source.sizeBytes) throw new RangeError('a vector lies outside')
  const length = new DataView((await source.read(at, at + 4, signal)).buffer).getUint32(0, true)
  const end = at + 4 + itemBytes * length
  if (end > source.sizeBytes) throw new RangeError('a vector ends outside')
  return { start: at + 4, end }
}

/** One table: fields by id, absent ones by their default. Offsets outside the view throw `RangeError`, as DataView does. */
class Table {
  readonly #view: DataView
  readonly #at: number
  readonly #vtable: number

  constructor(view: DataView, at: number) {
    this.#view = view
    this.#at = at
    this.#vtable = at - view.getInt32(at, true)
  }

  #field(id: number): number | null {
    const slot = 4 + 2 * id
    if (slot >= this.#view.getUint16(this.#vtable, true)) return null
    const offset = this.#view.getUint16(this.#vtable + slot, true)
    return offset === 0 ? null : this.#at + offset
  }

  /** Where an offset field points. */
  target(id: number): number | null {
    const field = this.#field(id)
    return field === null ? null : field + this.#view.getUint32(field, true)
  }

  integer(id: number, absent: number): number {
    const field = this.#field(id)
    return field === null ? absent : this.#view.getInt32(field, true)
  }

  byte(id: number): number {
    const field = this.#field(id)
    return field === null ? 0 : this.#view.getUint8(field)
  }

  text(id: number): string {
    const at = this.target(id)
    if (at === null) return ''
    const length = this.#view.getUint32(at, true)
    if (at + 4 + length > this.#view.byteLength) throw new RangeError('a name ends outside')
    return new TextDecoder().decode(new Uint8Array(this.#view.buffer, at + 4, length))
  }

  table(id: number): Table | null {
    const at = this.target(id)
    return at === null ? null : new Table(this.#view, at)
  }

  tables(id: number): Table[] {
    return this.#vector(id, 4, (at) => new Table(this.#view, at + this.#view.getUint32(at, true)))
  }

  integers(id: number): number[] {
    return this.#vector(id, 4, (at) => this.#view.getInt32(at, true))
  }

  longs(id: number): number[] {
    return this.#vector(id, 8, (at) => Number(this.#view.getBigInt64(at, true)))
  }

  #vector<Item>(id: number, itemBytes: number, read: (at: number) => Item): Item[] {
    const at = this.target(id)
    if (at === null) return []
    const length = this.#view.getUint32(at, true)
    if (at + 4 + length * itemBytes > this.#view.byteLength) throw new RangeError('a vector ends outside')
    return Array.from({ length }, (_, index) => read(at + 4 + index * itemBytes))
  }
}
