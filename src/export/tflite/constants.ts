import { throwIfAborted } from '../../core/errors.ts'
import { ownBytes } from '../../core/shared-memory.ts'
import { constantPrefix, type TfliteLayout } from '../../formats/tflite/layout.ts'
import { Scratch } from '../../io/scratch.ts'
import { rowScalesOf } from '../../quantization/row-scales.ts'
import { asMatrix, inPieces, rowPieces } from '../float-pieces.ts'
import { int8Codes } from '../int8-codes.ts'
import { shapeOf } from '../shapes.ts'
import { mostHeldBytes, tilesOf } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import type { BiasSource, ConstantSource } from './graph-builder.ts'

/** The file's bytes in order. */
export async function* tfliteBytes(
  layout: TfliteLayout,
  sources: readonly ConstantSource[],
  source: ExportSource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield layout.head.slice()
  let end = layout.head.length
  let held: Uint8Array<ArrayBuffer>[] | null = null
  for (const [index, place] of layout.constants.entries()) {
    throwIfAborted(signal)
    yield constantPrefix(end, place)
    end = place.start + place.sizeBytes
    const from = sources[index]
    if (held !== null) {
      yield* held
      held = null
    } else if (from !== undefined) {
      if (from.kind === 'codes' && isNext(sources[index + 1], from.name, layout.constants[index + 1])) held = []
      yield* constantBytes(from, source, held, signal)
    }
  }
}

/** Whether the scales of codes come right behind them and can wait: their matrix is then read once. */
function isNext(next: ConstantSource | undefined, name: string, place: TfliteLayout['constants'][number] | undefined): boolean {
  return next?.kind === 'scales' && next.name === name && (place?.sizeBytes ?? Number.POSITIVE_INFINITY) <= mostHeldBytes
}

/** Scales beside codes go to `held`. */
async function* constantBytes(
  from: ConstantSource,
  source: ExportSource,
  held: Uint8Array<ArrayBuffer>[] | null,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (from.kind === 'bytes') {
    yield* inPieces(from.bytes.slice())
  } else if (from.kind === 'float') {
    const { rows, columns } = asMatrix(shapeOf(source, from.name))
    for (const piece of rowPieces(rows, columns)) yield bytesOf(await source.readFloat(from.name, piece, signal))
  } else if (from.kind === 'bias') {
    yield bytesOf(await biasCodes(from, source, signal))
  } else {
    const memory = new Scratch()
    for await (const { tile } of tilesOf(source, from.name, signal)) {
      const matrix = int8Codes(tile, memory)
      held?.push(bytesOf(matrix.scales.slice()))
      yield bytesOf(from.kind === 'codes' ? matrix.codes : matrix.scales)
    }
  }
}

async function biasCodes(
  { name, weight, inputScale }: BiasSource,
  source: ExportSource,
  signal?: AbortSignal,
): Promise<Int32Array<ArrayBuffer>> {
  const values = await source.readFloat(name, { rowStart: 0, rowEnd: 1 }, signal)
  const steps = new Int32Array(values.length)
  for await (const { rowStart, tile } of tilesOf(source, weight, signal)) {
    for (const [row, scale] of (rowScalesOf(tile) ?? []).entries()) {
      steps[rowStart + row] = Math.round((values[rowStart + row] ?? Number.NaN) / (inputScale * scale))
    }
  }
  return steps
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return ownBytes(new Uint8Array(buffer, byteOffset, byteLength))
}
