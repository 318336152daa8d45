/** Bytes of a staging buffer, and how many there are each way: one is filled or emptied while the card copies the other. */
const pieceBytes = 4 * 2 ** 20
const buffersEachWay = 2

const usages = {
  write: 0x02 | 0x04, // MAP_WRITE, COPY_SRC
  read: 0x01 | 0x08, // MAP_READ, COPY_DST
} as const
const mapModes = { write: 2, read: 1 } as const

interface Piece {
  readonly buffer: GPUBuffer
  /** When the processor may reach it. */
  ready: Promise<unknown>
}

interface Place {
  readonly buffer: GPUBuffer
  /** Bytes from its start. */
  readonly at: number
}

/**
 * The way to the card and back, in pieces through buffers that are kept: a fresh one for each transfer, as `writeBuffer` takes,
 * was measured at a quarter of the speed. One transfer at a time.
 */
export class Staging {
  readonly #device: GPUDevice
  readonly #pieces: Record<'write' | 'read', Piece[]> = { write: [], read: [] }

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** Copies `data`, whose bytes come in fours, to the start of `target`; resolves when `data` is free, before the card has it. */
  async write(target: GPUBuffer, data: Uint8Array): Promise<void> {
    for (let start = 0; start < data.length; start += pieceBytes) {
      const part = data.subarray(start, start + pieceBytes)
      const piece = this.#next('write')
      await piece.ready
      new Uint8Array(piece.buffer.getMappedRange(0, part.length)).set(part)
      piece.buffer.unmap()
      this.#copy({ buffer: piece.buffer, at: 0 }, { buffer: target, at: start }, part.length)
      piece.ready = piece.buffer.mapAsync(mapModes.write)
      // Whoever waits for it hears of a failure; nobody may.
      piece.ready.catch(() => undefined)
    }
  }

  /** Fills `target`, whose bytes need not come in fours, from the start of `source`, which holds as many rounded up. */
  async read(source: GPUBuffer, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const underWay: (() => Promise<void>)[] = []
    for (let start = 0; start < target.length; start += pieceBytes) {
      if (underWay.length === buffersEachWay) await underWay.shift()?.()
      const part = target.subarray(start, start + pieceBytes)
      const size = Math.ceil(part.length / 4) * 4
      const { buffer } = this.#next('read')
      this.#copy({ buffer: source, at: start }, { buffer, at: 0 }, size)
      const mapped = buffer.mapAsync(mapModes.read, 0, size)
      mapped.catch(() => undefined)
      underWay.push(async () => {
        await mapped
        part.set(new Uint8Array(buffer.getMappedRange(0, size), 0, part.length))
        buffer.unmap()
      })
    }
    for (const finish of underWay) await finish()
  }

  close(): void {
    for (const { buffer } of [...this.#pieces.write, ...this.#pieces.read]) buffer.destroy()
  }

  /** The one used longest ago. */
  #next(way: 'write' | 'read'): Piece {
    const pieces = this.#pieces[way]
    const oldest = pieces.length < buffersEachWay ? undefined : pieces.shift()
    const piece = oldest ?? {
      buffer: this.#device.createBuffer({ label: way, size: pieceBytes, usage: usages[way], mappedAtCreation: way === 'write' }),
      ready: Promise.resolve(),
    }
    pieces.push(piece)
    return piece
  }

  #copy(from: Place, to: Place, size: number): void {
    const encoder = this.#device.createCommandEncoder()
    encoder.copyBufferToBuffer(from.buffer, from.at, to.buffer, to.at, size)
    this.#device.queue.submit([encoder.finish()])
  }
}
