import { abortError } from '../core/errors.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Activations } from '../runtime/engine.ts'
import { createRunFile, type RunFile, storageFault } from './run-files.ts'

/** Windows of one length that go through a block together. */
export interface BatchShape {
  readonly batch: number
  readonly length: number
}

/** Tokens of a batch. */
export function batchTokens(shape: BatchShape): number {
  return shape.batch * shape.length
}

/**
 * Hidden states of one stream (the float model or one recipe) between two blocks, batch by batch. Every generation is on
 * disk when it is committed, so a run can go on from it; when the memory budget allows, it is in memory as well and never
 * read back.
 */
export class HiddenStates {
  readonly shapes: readonly BatchShape[]
  readonly width: number
  readonly #store: FileStore
  readonly #path: (generation: number) => string
  readonly #isResident: boolean
  #resident: Float32Array<ArrayBuffer>[] | null = null
  #file: RunFile | null = null

  constructor(options: {
    readonly store: FileStore
    /** Path of the file of a generation: the number of blocks behind it. */
    readonly path: (generation: number) => string
    readonly shapes: readonly BatchShape[]
    readonly width: number
    readonly isResident: boolean
  }) {
    this.#store = options.store
    this.#path = options.path
    this.shapes = options.shapes
    this.width = options.width
    this.#isResident = options.isResident
  }

  get file(): RunFile | null {
    return this.#file
  }

  /** Goes on from a generation that is on disk. */
  restore(file: RunFile): void {
    this.#file = file
    this.#resident = null
  }

  /** Hidden states of a batch. The caller must not change them. */
  async read(index: number, signal: AbortSignal): Promise<Activations> {
    const shape = this.shapes[index]
    if (shape === undefined) throw new RangeError(`batch ${index} of ${this.shapes.length}`)
    const kept = this.#resident?.[index]
    return {
      data: kept ?? (await this.#readFromDisk(index, { rowStart: 0, rowEnd: batchTokens(shape) }, signal)),
      ...shape,
      width: this.width,
    }
  }

  /** Rows of a batch at ascending positions, [positions, width]; the caller owns them. Reads no more than the span between. */
  async readPositions(index: number, positions: Int32Array, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const first = positions[0] ?? 0
    const last = positions.at(-1) ?? 0
    const kept = this.#resident?.[index]
    const span = kept ?? (await this.#readFromDisk(index, { rowStart: first, rowEnd: last + 1 }, signal))
    const offset = kept === undefined ? first : 0
    const rows = new Float32Array(positions.length * this.width)
    for (const [i, position] of positions.entries()) {
      rows.set(span.subarray((position - offset) * this.width, (position - offset + 1) * this.width), i * this.width)
    }
    return rows
  }

  /**
   * Writes the next generation; `produce` gives the batches in order. The old generation stays readable until this has
   * finished, so that a block can be repeated.
   */
  async advance(
    generation: number,
    produce: (index: number) => Promise<Float32Array<ArrayBuffer>>,
    signal: AbortSignal,
  ): Promise<{ commit(): void }> {
    const file = await createRunFile(this.#store, this.#path(generation))
    const next: Float32Array<ArrayBuffer>[] = []
    try {
      for (let index = 0; index < this.shapes.length; index++) {
        if (signal.aborted) throw abortError()
        const data = await produce(index)
        await file.sink.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        if (this.#isResident) next.push(data)
      }
      const finished = await file.finish()
      return {
        commit: () => {
          this.#file = finished
          this.#resident = this.#isResident ? next : null
        },
      }
    } catch (error) {
      await file.sink.abort()
      throw error
    }
  }

  async #readFromDisk(
    index: number,
    range: { readonly rowStart: number; readonly rowEnd: number },
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    if (this.#file === null) throw new RangeError('hidden states are read before they are written')
    const source = await this.#store.open(this.#file.path)
    if (source?.sizeBytes !== this.#file.sizeBytes) throw storageFault(this.#file.path, 'Hidden states are gone')
    const rowBytes = 4 * this.width
    const before = this.shapes.slice(0, index).reduce((sum, shape) => sum + batchTokens(shape), 0)
    const bytes = await source.read((before + range.rowStart) * rowBytes, (before + range.rowEnd) * rowBytes, signal)
    return new Float32Array(bytes.buffer)
  }
}
