import { equalBytes } from '../../core/equal-bytes.ts'
import { StudioError, throwIfAborted } from '../../core/errors.ts'
import { widenValues } from '../../core/widen.ts'
import type { TfliteLayout } from '../../formats/tflite/layout.ts'
import { readTflite, type TfliteFile } from '../../formats/tflite/read.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { readingAhead } from '../../io/read-ahead.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { asMatrix, rowPieces } from '../float-pieces.ts'
import { int8Values, positiveZeros } from '../int8-values.ts'
import { proofFailed, proveEqual } from '../proof.ts'
import { sameInt8 } from '../same-int8.ts'
import { shapeOf } from '../shapes.ts'
import { tilesOf } from '../stored-tiles.ts'
import type { ExportSource } from '../target.ts'
import type { BiasSource, BuiltGraph } from './graph-builder.ts'

/**
 * Parses the written file with the reader of `formats/tflite`, then compares its tables and every constant with what was meant:
 * matrices by the weights that their codes and scales stand for, everything else bit by bit.
 */
export async function verifyTflite(
  { graph, layout }: { readonly graph: BuiltGraph; readonly layout: TfliteLayout },
  source: ExportSource,
  written: ByteSource,
  { kernels, signal }: { readonly kernels: Kernels; readonly signal?: AbortSignal },
): Promise<void> {
  const file = await parseBack(written, layout.head.length, signal)
  proveTables(file, graph)
  if (!equalBytes(await written.read(0, layout.head.length, signal), layout.head))
    throw proofFailed('The graph', 'differs after reading back')
  const placeOf = (constant: number): { readonly start: number; readonly sizeBytes: number } => {
    const { start, end } = file.buffers[constant + 1] ?? { start: 0, end: 0 }
    return { start, sizeBytes: end - start }
  }
  const bytesOf = (constant: number, from = 0, to = placeOf(constant).sizeBytes): Promise<Uint8Array<ArrayBuffer>> =>
    written.read(placeOf(constant).start + from, placeOf(constant).start + to, signal)
  const readerOf = (constant: number): ReturnType<typeof readingAhead> => {
    const { start, sizeBytes } = placeOf(constant)
    const read = readingAhead(written, start + sizeBytes, signal)
    return (from, to) => read(start + from, start + to)
  }
  const floatsOf = async (constant: number, from: number, to: number): Promise<Float32Array<ArrayBuffer>> =>
    new Float32Array((await bytesOf(constant, 4 * from, 4 * to)).buffer)
  for (const [index, from] of graph.sources.entries()) {
    throwIfAborted(signal)
    if (from.kind === 'bytes') {
      if (!equalBytes(await bytesOf(index), from.bytes)) throw proofFailed(`Constant ${index}`, 'differs after reading back')
    } else if (from.kind === 'float') {
      const { rows, columns } = asMatrix(shapeOf(source, from.name))
      for (const range of rowPieces(rows, columns)) {
        const found = await floatsOf(index, range.rowStart * columns, range.rowEnd * columns)
        proveEqual(`Tensor ${from.name}`, found, await source.readFloat(from.name, range, signal), range.rowStart * columns)
      }
    } else if (from.kind === 'codes') {
      const own = rowScales(file, from.name)
      const scaleIndex = graph.sources.findIndex((each) => each.kind === 'scales' && each.name === from.name)
      const run = placeOf(index).sizeBytes / (own?.length ?? placeOf(scaleIndex).sizeBytes / 4)
      const [readCodes, readScales] = [readerOf(index), readerOf(scaleIndex)]
      for await (const { rowStart, tile } of tilesOf(source, from.name, signal)) {
        const first = rowStart * tile.columns
        const last = first + tile.rows * tile.columns
        const found = await readCodes(first, last)
        const codes = new Int8Array(found.buffer, found.byteOffset, found.length)
        const scales = own?.slice(first / run, last / run) ?? widenValues('F32', await readScales((4 * first) / run, (4 * last) / run))
        // Equal codes and scales are equal weights.
        if (sameInt8({ codes, scales, run }, tile)) continue
        const wanted = await storage.get(tile.encoding).dequantize(tile, kernels, signal)
        proveEqual(`Tensor ${from.name}`, positiveZeros(int8Values({ codes, scales, run })), positiveZeros(wanted), first)
      }
    } else if (from.kind === 'bias') {
      const steps = new Int32Array((await bytesOf(index)).buffer)
      const wanted = await source.readFloat(from.name, { rowStart: 0, rowEnd: 1 }, signal)
      proveBias(from, { steps, wanted, scales: rowScales(file, from.weight) ?? new Float32Array() })
    }
  }
}

async function parseBack(written: ByteSource, headBytes: number, signal?: AbortSignal): Promise<TfliteFile> {
  try {
    return await readTflite(written, headBytes, signal)
  } catch (error) {
    if (error instanceof StudioError && error.code === 'file-damaged')
      throw proofFailed('The graph', `cannot be read back: ${error.message}`)
    throw error
  }
}

function proveTables(file: TfliteFile, graph: BuiltGraph): void {
  const same = (found: readonly number[], wanted: readonly number[]): boolean => found.join() === wanted.join()
  const areTensors =
    file.tensors.length === graph.tensors.length &&
    graph.tensors.every(({ name, shape, constant }, index) => {
      const found = file.tensors[index]
      return found?.name === name && same(found.shape, shape) && found.buffer === (constant === null ? 0 : constant + 1)
    })
  const areOperators =
    file.operators.length === graph.operators.length &&
    graph.operators.every(({ inputs, outputs }, index) => {
      const found = file.operators[index]
      return found !== undefined && same(found.inputs, inputs) && same(found.outputs, outputs)
    })
  const areBuffers =
    file.buffers.length === graph.constantBytes.length + 1 &&
    graph.constantBytes.every((bytes, index) => {
      const { start, end } = file.buffers[index + 1] ?? { start: 0, end: 0 }
      return end - start === bytes
    })
  if (!areTensors || !areOperators || !areBuffers || !same(file.inputs, graph.inputs) || !same(file.outputs, graph.outputs))
    throw proofFailed('The graph', 'has other tensors or operators after reading back')
}

/** Scales in the quantization of a matrix itself, as operators on whole numbers read them; `null` where they are a constant. */
function rowScales(file: TfliteFile, name: string): Float32Array<ArrayBuffer> | null {
  const found = file.tensors.find((tensor) => tensor.name === `${name} (codes)` && tensor.scales.length > 1)
  return found === undefined ? null : Float32Array.from(found.scales)
}

/** A bias is rounded to a step of its row, the product of what one code of the input and of the weight mean. */
function proveBias(
  { name, inputScale }: BiasSource,
  { steps, wanted, scales }: { readonly steps: Int32Array; readonly wanted: Float32Array; readonly scales: Float32Array },
): void {
  const isWrong = (value: number, row: number): boolean => {
    const step = inputScale * (scales[row] ?? Number.NaN)
    return !(Math.abs((steps[row] ?? Number.NaN) * step - value) <= 0.51 * step)
  }
  const row = wanted.findIndex(isWrong)
  if (steps.length !== wanted.length || row >= 0) throw proofFailed(`Tensor ${name}`, `is not its bias in row ${row}`)
}
