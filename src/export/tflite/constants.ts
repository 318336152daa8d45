import { throwIfAborted } from '../../core/errors.ts'
import { ownBytes } from '../../core/shared-memory.ts'
import { constantPrefix, type TfliteLayout } from '../../formats/tflite/layout.ts'
import { rowScalesOf } from '../../quantization/row-scales.ts'
import { asMatrix, inPieces, rowPieces } from '../float-pieces.ts'
import { int8Codes } from '../int8-codes.ts'
import { shapeOf } from '../shapes.ts'
import { tilesOf } from '../stored-tiles.ts'
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
  for (const [index, place] of layout.constants.entries()) {
    throwIfAborted(signal)
    yield constantPrefix(end, place)
    const from = sources[index]
    if (from !== undefined) yield* constantBytes(from, source, signal)
    end = place.start + place.sizeBytes
  }
}

async function* constantBytes(from: ConstantSource, source: ExportSource, signal?: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (from.kind === 'bytes') {
    yield* inPieces(from.bytes.slice())
  } else if (from.kind === 'float') {
    const { rows, columns } = asMatrix(shapeOf(source, from.name))
    for (const piece of rowPieces(rows, columns)) yield bytesOf(await source.readFloat(from.name, piece, signal))
  } else if (from.kind === 'bias') {
    yield bytesOf(await biasCodes(from, source, signal))
  } else {
    for await (const { tile } of tilesOf(source, from.name, signal)) {
      const matrix = int8Codes(tile)
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
